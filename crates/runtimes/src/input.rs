//! What a run is given.

use crate::RuntimeError;

/// One input of a run.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// Its name in the model.
    pub name: &'a str,
    /// Its dimensions, the batch included.
    pub shape: &'a [usize],
    /// Whether the model takes `int64` here; else it takes `float`.
    pub integer: bool,
    /// Its elements in row-major order; whole numbers where [`Input::integer`] says so.
    pub data: &'a [f32],
}

impl Input<'_> {
    fn fault(&self, problem: impl Into<String>) -> RuntimeError {
        RuntimeError::Input { input: self.name.to_owned(), problem: problem.into() }
    }

    /// The shape as runtimes write it.
    pub(crate) fn dims(&self) -> Result<Vec<i64>, RuntimeError> {
        self.shape
            .iter()
            .map(|d| i64::try_from(*d).map_err(|_| self.fault("a dimension is too large")))
            .collect()
    }

    /// The elements as `int64`, written over `integers`.
    ///
    /// # Errors
    /// [`RuntimeError::Input`] for an element that is not a whole number, or that f32 does not hold exactly.
    pub(crate) fn integers_into(&self, integers: &mut [i64]) -> Result<(), RuntimeError> {
        for (at, (to, value)) in integers.iter_mut().zip(self.data).enumerate() {
            // Beyond 2^24 neighbouring integers are one f32, so the value is perhaps not the one that was meant.
            if value.fract() != 0.0 || value.abs() > (1 << 24) as f32 {
                return Err(self.fault(format!(
                    "element {at} is {value}, but the model takes int64: give whole numbers up to 2^24"
                )));
            }
            *to = *value as i64;
        }
        Ok(())
    }
}

/// Checks what a runtime would not: that there is one tensor for each of the `expected` inputs, as long as its shape
/// says.
pub(crate) fn check(inputs: &[Input<'_>], expected: usize) -> Result<(), RuntimeError> {
    for (at, input) in inputs.iter().enumerate() {
        if input.name.contains('\0') {
            return Err(input.fault("its name has a NUL character; no input of a model is called so"));
        }
        if inputs[..at].iter().any(|other| other.name == input.name) {
            return Err(input.fault("it is given twice; give each input once"));
        }
        let elements = input.shape.iter().try_fold(1usize, |product, d| product.checked_mul(*d));
        if elements != Some(input.data.len()) {
            return Err(input.fault(format!(
                "its shape {:?} does not hold its {} elements",
                input.shape,
                input.data.len()
            )));
        }
    }
    if inputs.len() != expected {
        return Err(RuntimeError::Input {
            input: inputs.iter().map(|i| i.name).collect::<Vec<_>>().join(", "),
            problem: format!("the model takes {expected} inputs, {} are given", inputs.len()),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input<'a>(name: &'a str, shape: &'a [usize], data: &'a [f32]) -> Input<'a> {
        Input { name, shape, integer: true, data }
    }

    fn problem(inputs: &[Input<'_>], expected: usize) -> String {
        check(inputs, expected).unwrap_err().to_string()
    }

    #[test]
    fn inputs_are_one_tensor_per_name_as_long_as_the_shape_says() {
        let good = input("x", &[2, 1], &[1.0, 2.0]);
        assert_eq!(check(&[good], 1), Ok(()));
        assert_eq!(check(&[input("empty", &[0, 3], &[])], 1), Ok(()));
        assert_eq!(problem(&[good, good], 2), "input `x`: it is given twice; give each input once");
        assert_eq!(problem(&[good], 2), "input `x`: the model takes 2 inputs, 1 are given");
        assert_eq!(
            problem(&[input("x", &[3], &[1.0])], 1),
            "input `x`: its shape [3] does not hold its 1 elements"
        );
        assert!(problem(&[input("x", &[usize::MAX, 2], &[1.0])], 1).contains("does not hold"));
        assert!(problem(&[input("x\0", &[1], &[1.0])], 1).contains("NUL"));
    }

    #[test]
    fn integers_are_whole_and_exact() {
        let mut integers = [0; 3];
        input("ids", &[3], &[-1.0, 0.0, 16_777_216.0]).integers_into(&mut integers).unwrap();
        assert_eq!(integers, [-1, 0, 16_777_216]);
        for bad in [0.5, f32::NAN, f32::INFINITY, 16_777_218.0] {
            let error = input("ids", &[1], &[bad]).integers_into(&mut integers).unwrap_err().to_string();
            assert!(error.starts_with(&format!("input `ids`: element 0 is {bad}")), "{error}");
        }
    }
}

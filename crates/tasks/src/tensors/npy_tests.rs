use super::*;

/// A file of version 1 with this dictionary.
fn file(dictionary: &str) -> Vec<u8> {
    let length = u16::try_from(dictionary.len()).unwrap().to_le_bytes();
    [&b"\x93NUMPY\x01\x00"[..], &length, dictionary.as_bytes()].concat()
}

fn header(dictionary: &str, data: u64) -> Result<Header, String> {
    let bytes = file(dictionary);
    read_header(&mut &bytes[..], bytes.len() as u64 + data).map_err(|fault| match fault {
        Fault::Malformed { reason, .. } => reason,
        Fault::Io(source) => panic!("{source}"),
    })
}

#[test]
fn the_three_keys_may_come_in_any_order_and_spacing() {
    let numpy = header("{'descr': '>f8', 'fortran_order': True, 'shape': (2, 3), }  \n", 48).unwrap();
    assert_eq!((numpy.dtype, numpy.big_endian, numpy.fortran), (Dtype::F64, true, true));
    assert_eq!(numpy.shape, [2, 3]);
    let other = header("{ \"shape\" :( 3 , ) ,'descr':\"|u1\",'fortran_order':False}", 3).unwrap();
    assert_eq!((other.dtype, other.big_endian, other.fortran), (Dtype::U8, false, false));
    assert_eq!(other.shape, [3]);
}

#[test]
fn shapes_of_python_2_and_of_scalars_are_read() {
    let shape = |text: &str, data| {
        header(&format!("{{'descr': '<i2', 'fortran_order': False, 'shape': {text}}}"), data).unwrap().shape
    };
    assert_eq!(shape("(2L, 3L)", 12), [2, 3]);
    assert_eq!(shape("()", 2), [0_usize; 0]);
    assert_eq!(shape("(0, 5)", 0), [0, 5]);
}

#[test]
fn a_byte_has_no_order_and_all_else_needs_one() {
    assert_eq!(element("|i1"), (Dtype::I8, false));
    assert_eq!(element(">u1"), (Dtype::U8, true));
    for descr in ["|f4", "=f4", "f4", "<f16", "<c8", "|S3", "|V2", "<M8[ns]", "|O", ""] {
        assert_eq!(element(descr), (Dtype::Unsupported(descr.to_owned()), false), "{descr}");
    }
}

#[test]
fn records_are_skipped_with_what_is_nested_in_them() {
    let descr = "[('a', '<f4'), ('b]', [('c\\'', '>i2', (2,))])]";
    let record = header(&format!("{{'descr': {descr}, 'fortran_order': False, 'shape': (7,)}}"), 1).unwrap();
    assert_eq!((record.dtype, record.shape), (Dtype::Unsupported("record".to_owned()), vec![7]));
}

#[test]
fn a_dictionary_that_numpy_does_not_write_is_refused() {
    for dictionary in [
        "",
        "{",
        "{}",
        "{'descr'",
        "{'descr': '<f4'}",
        "{'descr': '<f4', 'fortran_order': False}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} + 1",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1}",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f4' 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': false, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': 1}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1 1)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1.0,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
        "{'descr': '\\x3cf4', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': [('a', '<f4'), 'fortran_order': False, 'shape': (1,)}",
        "{'descr': [)], 'fortran_order': False, 'shape': (1,)}",
        "{'descr': [']\\",
    ] {
        let reason = header(dictionary, 4).unwrap_err();
        assert!(reason.starts_with("its header is not what numpy writes"), "{dictionary}: {reason}");
    }
}

#[test]
fn nesting_costs_no_stack() {
    for open in ["(", "[", "{'descr': [", "{'descr': [("] {
        let nested = open.repeat(LONGEST_HEADER / open.len());
        assert!(header(&nested, 0).is_err(), "{open}");
    }
}

#[test]
fn a_quoted_header_cannot_steer_a_terminal() {
    let reason = header("{'descr': '\x1b[31m'", 0).unwrap_err();
    assert!(!reason.contains('\x1b'), "{reason:?}");
}

#[test]
fn fortran_order_becomes_row_major() {
    // [[1, 2, 3], [4, 5, 6]], column by column.
    assert_eq!(row_major(&[1.0, 4.0, 2.0, 5.0, 3.0, 6.0], &[2, 3]).unwrap(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(row_major(&[7.0], &[]).unwrap(), [7.0]);
    assert_eq!(row_major(&[7.0, 8.0], &[2]).unwrap(), [7.0, 8.0]);
    assert_eq!(row_major(&[], &[0, 3]).unwrap(), [0.0; 0]);
    assert_eq!(row_major(&[7.0, 8.0], &[1, 2, 1]).unwrap(), [7.0, 8.0]);
}

#[test]
fn a_written_header_is_read_again_and_aligns_the_elements() {
    for shape in [&[][..], &[5], &[2, 3], &[1; 64], &[123_456_789, 0]] {
        let bytes = f32_header(shape);
        let data = 4 * elements(shape).unwrap() as u64;
        let header = read_header(&mut &bytes[..], bytes.len() as u64 + data).unwrap();
        assert_eq!(header.shape, shape);
        assert_eq!((header.dtype, header.big_endian, header.fortran), (Dtype::F32, false, false));
        assert_eq!((header.data_at, bytes.len() % 64), (bytes.len() as u64, 0));
    }
}

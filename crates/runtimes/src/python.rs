//! What `python3` says about where its packages are.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::Surroundings;

/// The command that is asked, and its file on this platform.
pub(crate) const COMMAND: &str = if cfg!(windows) { "python" } else { "python3" };
const FILE: &str = if cfg!(windows) { "python.exe" } else { COMMAND };

const QUESTION: &str = "import sys; print('\\n'.join(folder for folder in sys.path if folder))";
/// Starting Python takes tens of milliseconds, from a cold network drive seconds.
const PATIENCE: Duration = Duration::from_secs(5);
const STEP: Duration = Duration::from_millis(5);

/// The folders in which Python looks for packages, or why they are not known.
pub(crate) fn search_path(surroundings: &Surroundings) -> Result<Vec<PathBuf>, String> {
    let path = surroundings.get("PATH").ok_or("PATH is not set")?;
    let program = std::env::split_paths(path)
        .map(|folder| folder.join(FILE))
        .find(|file| file.is_absolute() && file.is_file())
        .ok_or("not on PATH")?;
    ask(&program, surroundings, PATIENCE)
}

fn ask(program: &Path, surroundings: &Surroundings, patience: Duration) -> Result<Vec<PathBuf>, String> {
    let mut child = Command::new(program)
        .args(["-c", QUESTION])
        .env_clear()
        .envs(&surroundings.variables)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("does not start: {error}"))?;
    let answer = answer(&mut child, patience);
    if answer.is_err() {
        // It has either ended, which these then say, or it must not outlive the question.
        let _ = child.kill();
        let _ = child.wait();
    }
    Ok(answer?.lines().map(PathBuf::from).collect())
}

fn answer(child: &mut Child, patience: Duration) -> Result<String, String> {
    let start = Instant::now();
    let status = loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break status,
            None if start.elapsed() > patience => {
                return Err(format!("no answer in {} s", patience.as_secs_f32()));
            }
            None => sleep(STEP),
        }
    };
    if !status.success() {
        return Err(format!("ended with {status}"));
    }
    let mut text = String::new();
    // An answer is a few hundred bytes, which the pipe holds until now.
    child
        .stdout
        .take()
        .ok_or("no answer")?
        .read_to_string(&mut text)
        .map_err(|error| format!("an answer that is no text: {error}"))?;
    Ok(text)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn one_that_hangs_is_ended() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().expect("a scratch folder can be made");
        let program = folder.path().join("python3");
        std::fs::write(&program, "#!/bin/sh\nexec sleep 60\n").expect("the folder can be written");
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&program, executable).expect("the file is ours");
        let start = Instant::now();
        let surroundings = Surroundings::of_process();
        let answer = ask(&program, &surroundings, Duration::from_millis(50));
        assert_eq!(answer, Err("no answer in 0.05 s".to_owned()));
        assert!(start.elapsed() < Duration::from_secs(4));
    }
}

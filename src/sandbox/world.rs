//! The state and its folder: one JSON file that several processes may share.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::dispatch::Target;
use super::error::SandboxError;
use super::protocol::Response;
use super::state::State;

#[derive(Debug)]
pub struct World {
    state: State,
    file: Option<StateFile>,
}

#[derive(Debug)]
struct StateFile {
    path: PathBuf,
    /// Holds a number that every writer raises: a modification time alone is too coarse to show a change.
    lock: PathBuf,
    seen: Option<Seen>,
}

#[derive(Clone, Debug, PartialEq)]
struct Seen {
    modified: Option<SystemTime>,
    len: u64,
    generation: u64,
}

impl World {
    pub fn in_memory(state: State) -> Self {
        Self { state, file: None }
    }

    pub fn open(dir: &Path, seed: impl FnOnce() -> State) -> Result<Self, SandboxError> {
        fs::create_dir_all(dir).map_err(io("create", dir))?;
        let file = StateFile {
            path: dir.join("state.json"),
            lock: dir.join("state.lock"),
            seen: None,
        };
        let mut world = Self {
            state: State::default(),
            file: Some(file),
        };
        let mut guard = world.begin()?;
        if guard.is_some() && world.file.as_ref().is_some_and(|f| f.seen.is_none()) {
            world.state = seed();
            world.commit(&mut guard)?;
        }
        Ok(world)
    }

    /// The time of the state as it is on disk, or as it was last seen there.
    pub fn now(&mut self) -> time::OffsetDateTime {
        let _guard = self.begin();
        self.state.now()
    }

    pub fn edit<R>(&mut self, change: impl FnOnce(&mut State) -> R) -> Result<R, SandboxError> {
        let mut guard = self.begin()?;
        let mut draft = self.state.clone();
        let result = change(&mut draft);
        self.state = draft;
        self.commit(&mut guard)?;
        Ok(result)
    }

    /// Runs one request. A mutating one works on a copy, so that a refusal half-way leaves nothing behind.
    pub fn call(&mut self, target: &Target) -> Result<(Response, String), SandboxError> {
        let mut guard = self.begin()?;
        if target.is_read() {
            return Ok(target.run(&mut self.state));
        }
        let mut draft = self.state.clone();
        let (response, account) = target.run(&mut draft);
        if response.status < 300 {
            self.state = draft;
        }
        target.record(&mut self.state, &account, &response);
        self.commit(&mut guard)?;
        Ok((response, account))
    }

    /// Takes the lock of the folder and reads what others wrote.
    fn begin(&mut self) -> Result<Option<File>, SandboxError> {
        let Some(file) = &mut self.file else {
            return Ok(None);
        };
        let mut lock = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&file.lock)
            .map_err(io("open", &file.lock))?;
        lock.lock().map_err(io("lock", &file.lock))?;
        let seen = file.look(&mut lock)?;
        if seen.is_some() && seen != file.seen {
            let text = fs::read_to_string(&file.path).map_err(io("read", &file.path))?;
            self.state = serde_json::from_str(&text).map_err(|source| SandboxError::Broken {
                path: file.path.clone(),
                source,
            })?;
        }
        file.seen = seen;
        Ok(Some(lock))
    }

    /// Writes the state next to its file, then puts it in its place.
    fn commit(&mut self, guard: &mut Option<File>) -> Result<(), SandboxError> {
        let (Some(file), Some(lock)) = (&mut self.file, guard.as_mut()) else {
            return Ok(());
        };
        let generation = file.seen.as_ref().map_or(0, |s| s.generation) + 1;
        // Should anything below fail, the next request reads again what the file really holds.
        file.seen = None;
        let temporary = file.path.with_extension("json.tmp");
        let broken = |source| SandboxError::Broken {
            path: file.path.clone(),
            source,
        };
        let text = serde_json::to_string_pretty(&self.state).map_err(broken)?;
        fs::write(&temporary, text).map_err(io("write", &temporary))?;
        fs::rename(&temporary, &file.path).map_err(io("replace", &file.path))?;
        let raise = |lock: &mut File| {
            lock.set_len(0)?;
            lock.seek(SeekFrom::Start(0))?;
            lock.write_all(generation.to_string().as_bytes())
        };
        raise(lock).map_err(io("write", &file.lock))?;
        file.seen = file.look(lock)?;
        Ok(())
    }
}

impl StateFile {
    /// `None`: there is no state yet.
    fn look(&self, lock: &mut File) -> Result<Option<Seen>, SandboxError> {
        let metadata = match fs::metadata(&self.path) {
            Ok(metadata) => metadata,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(io("read", &self.path)(e)),
        };
        let mut number = String::new();
        lock.seek(SeekFrom::Start(0))
            .map_err(io("read", &self.lock))?;
        lock.read_to_string(&mut number)
            .map_err(io("read", &self.lock))?;
        Ok(Some(Seen {
            modified: metadata.modified().ok(),
            len: metadata.len(),
            generation: number.trim().parse().unwrap_or(0),
        }))
    }
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> SandboxError {
    let path = path.to_owned();
    move |source| SandboxError::Io {
        action,
        path,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::Sandbox;

    fn folder(name: &str) -> PathBuf {
        let dir =
            std::env::temp_dir().join(format!("orgtrail-sandbox-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        dir
    }

    #[test]
    fn two_sandboxes_on_one_folder_see_one_world() {
        let dir = folder("shared");
        let (a, b) = (Sandbox::open(&dir).unwrap(), Sandbox::open(&dir).unwrap());
        for n in 0..20_u64 {
            a.edit(|s| s.counter = 2 * n).unwrap();
            assert_eq!(b.edit(|s| s.counter).unwrap(), 2 * n);
            b.edit(|s| s.counter = 2 * n + 1).unwrap();
            assert_eq!(a.edit(|s| s.counter).unwrap(), 2 * n + 1);
        }
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_broken_file_is_named() {
        let dir = folder("broken");
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("state.json"), "{").unwrap();
        let error = Sandbox::open(&dir).unwrap_err().to_string();
        assert!(
            error.contains("state.json") && error.contains("delete it"),
            "{error}"
        );
        fs::remove_dir_all(&dir).unwrap();
    }
}

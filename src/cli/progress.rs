//! A progress bar on stderr, while log files are counted.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::render::volumes::thousands;
use crate::volumes::{Progress, Selection, Totals};
use crate::world::World;

/// How many times a second it is drawn, at most.
const RATE: u8 = 5;

/// Shows files, bytes, events a second and the time left, as soon as it is known how much there is. Without a terminal, or
/// with `--quiet`, it shows nothing.
pub struct Bar {
    bar: ProgressBar,
    totals: Arc<Totals>,
}

impl Bar {
    pub fn new(world: &World, totals: Arc<Totals>) -> Self {
        let target = match world.quiet {
            true => ProgressDrawTarget::hidden(),
            false => ProgressDrawTarget::stderr_with_hz(RATE),
        };
        Self::on(target, totals)
    }

    fn on(target: ProgressDrawTarget, totals: Arc<Totals>) -> Self {
        let bar = ProgressBar::with_draw_target(None, target).with_style(style(false));
        Self { bar, totals }
    }

    /// Finds out how much there is, while the counting goes on.
    pub fn find(&self, paths: Vec<PathBuf>, selection: &Selection) {
        if self.bar.is_hidden() {
            return;
        }
        self.totals.begin();
        let (totals, selection) = (Arc::clone(&self.totals), selection.clone());
        std::thread::spawn(move || totals.find(&paths, &selection));
    }

    pub fn show(&self, progress: &Progress) {
        if self.bar.is_hidden() {
            return;
        }
        if let (None, Some((_, bytes))) = (self.bar.length(), self.totals.get()) {
            self.bar.set_style(style(true));
            self.bar.set_length(bytes);
        }
        self.bar.set_position(progress.compressed_bytes);
        let seconds = self
            .bar
            .elapsed()
            .max(Duration::from_millis(1))
            .as_secs_f64();
        self.bar.set_message(format!(
            "{} files, {} of JSON, {} events/s{}",
            thousands(progress.files),
            HumanBytes(progress.uncompressed_bytes),
            thousands((progress.events as f64 / seconds) as u64),
            match progress.problems {
                0 => String::new(),
                problems => format!(", {} problems", thousands(problems)),
            }
        ));
    }

    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// The template is a constant that a test draws.
fn style(with_end: bool) -> ProgressStyle {
    let template = match with_end {
        true => "{bar:20} {percent:>3} % {msg}, {eta} left",
        false => "{bytes} {msg}",
    };
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use indicatif::TermLike;

    use super::*;

    /// What has been drawn.
    #[derive(Clone, Debug, Default)]
    struct Screen(Arc<Mutex<String>>);

    impl TermLike for Screen {
        fn width(&self) -> u16 {
            120
        }

        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }

        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)
        }

        fn write_str(&self, text: &str) -> io::Result<()> {
            self.0.lock().expect("one thread").push_str(text);
            Ok(())
        }

        fn clear_line(&self) -> io::Result<()> {
            self.0.lock().expect("one thread").clear();
            Ok(())
        }

        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn files_bytes_speed_and_the_time_left_are_shown() {
        let (screen, totals) = (Screen::default(), Arc::<Totals>::default());
        let target = ProgressDrawTarget::term_like(Box::new(screen.clone()));
        let bar = Bar::on(target, Arc::clone(&totals));
        let drawn = |progress: &Progress| {
            bar.show(progress);
            bar.bar.tick();
            screen.0.lock().expect("one thread").clone()
        };
        let progress = Progress {
            files: 1200,
            compressed_bytes: 500,
            uncompressed_bytes: 3 << 30,
            events: 90_000,
            problems: 2,
        };
        totals.begin();
        totals.begin();
        totals.add(1500);
        totals.finish();
        let searching = drawn(&progress);
        for part in [
            "500 B",
            "1,200 files",
            "3.00 GiB of JSON",
            "events/s",
            "2 problems",
        ] {
            assert!(searching.contains(part), "{searching}");
        }
        assert!(!searching.contains("left"), "{searching}");
        totals.add(500);
        totals.finish();
        let known = drawn(&progress);
        assert!(
            known.contains(" 25 % 1,200 files") && known.contains(" left"),
            "{known}"
        );
    }
}

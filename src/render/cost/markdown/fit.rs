//! Fits a document into a number of characters without lying about what is missing.

/// A part of the document that may lose rows, or be left out.
#[derive(Clone, Debug, Default)]
pub struct Section {
    /// What its rows are, for the sentence about those that are missing.
    pub name: &'static str,
    /// Which section gets room first.
    pub rank: u8,
    pub head: String,
    pub rows: Vec<String>,
    pub tail: String,
}

impl Section {
    /// Nothing at all where there are no rows.
    pub fn list(name: &'static str, rank: u8, head: &str, rows: Vec<String>, tail: &str) -> Self {
        match rows.is_empty() {
            true => Self::default(),
            false => Self {
                name,
                rank,
                head: head.to_owned(),
                rows,
                tail: tail.to_owned(),
            },
        }
    }

    /// Text without rows.
    pub fn always(text: &str) -> Self {
        Self {
            head: text.to_owned(),
            ..Self::default()
        }
    }

    /// The number of rows that have room, and what they and the frame need. `None`: there is no room for any of it.
    fn room(&self, room: usize) -> Option<(usize, usize)> {
        let mut used = size(&self.head) + size(&self.tail);
        let mut rows = 0;
        for row in &self.rows {
            let row = size(row);
            if used + row > room {
                break;
            }
            used += row;
            rows += 1;
        }
        let worth_it = rows > 0 || self.rows.is_empty() || self.rank == 0;
        (used <= room && worth_it).then_some((rows, used))
    }
}

/// UTF-16 units: no forge counts more for a character than that.
fn size(text: &str) -> usize {
    text.encode_utf16().count()
}

/// What the sentence about one section takes at most, numbers included.
const NOTE: usize = 80;

/// The sections in their order between `head` and `foot`, which are never left out.
pub fn fit(head: &str, sections: Vec<Section>, foot: &str, limit: Option<usize>) -> String {
    let all = |section: &Section| (section.rows.len(), true);
    let mut kept: Vec<(usize, bool)> = sections.iter().map(all).collect();
    if let Some(limit) = limit {
        let whole = write(head, &sections, &kept, "", foot);
        if size(&whole) <= limit {
            return whole;
        }
        let frame = size(head) + size(foot) + NOTE * (sections.len() + 2);
        kept = share(&sections, limit.saturating_sub(frame));
    }
    let note = note(&sections, &kept, limit);
    write(head, &sections, &kept, &note, foot)
}

/// How much of each section has room: the lowest rank first.
fn share(sections: &[Section], mut room: usize) -> Vec<(usize, bool)> {
    let mut order: Vec<usize> = (0..sections.len()).collect();
    order.sort_by_key(|at| sections[*at].rank);
    let mut kept = vec![(0, false); sections.len()];
    for at in order {
        if let Some((rows, used)) = sections[at].room(room) {
            kept[at] = (rows, true);
            room -= used;
        }
    }
    kept
}

fn note(sections: &[Section], kept: &[(usize, bool)], limit: Option<usize>) -> String {
    let missing: Vec<String> = sections
        .iter()
        .zip(kept)
        .filter(|(section, (rows, _))| *rows < section.rows.len())
        .map(|(section, (rows, _))| {
            let all = section.rows.len();
            match rows {
                0 => format!("all {all} {}", section.name),
                rows => format!("{} of {all} {}", all - rows, section.name),
            }
        })
        .collect();
    match (missing.is_empty(), limit) {
        (false, Some(limit)) => format!(
            "\n✂️ To fit {limit} characters, left out: {}. `orgtrail cost` shows everything.\n",
            missing.join(", ")
        ),
        _ => String::new(),
    }
}

fn write(
    head: &str,
    sections: &[Section],
    kept: &[(usize, bool)],
    note: &str,
    foot: &str,
) -> String {
    let mut out = head.to_owned();
    for (section, (rows, shown)) in sections.iter().zip(kept) {
        if *shown {
            out.push_str(&section.head);
            section
                .rows
                .iter()
                .take(*rows)
                .for_each(|row| out.push_str(row));
            out.push_str(&section.tail);
        }
    }
    out + note + foot
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(name: &'static str, rank: u8, rows: usize) -> Section {
        let rows = (0..rows).map(|row| format!("{name} {row}\n")).collect();
        Section::list(name, rank, "<\n", rows, ">\n")
    }

    #[test]
    fn whole_rows_are_left_out_and_counted() {
        let sections = vec![section("second", 2, 100), section("first", 1, 20)];
        let text = fit("head\n", sections, "foot\n", Some(1000));
        assert!(size(&text) <= 1000);
        assert_eq!(
            text.matches("first ").count(),
            20,
            "a lower rank has room first"
        );
        let rows = text
            .lines()
            .filter(|line| line.starts_with("second "))
            .count();
        assert!(rows > 0 && text.contains(&format!("left out: {} of 100 second.", 100 - rows)));
        assert!(text.ends_with("foot\n"));
    }

    #[test]
    fn sections_without_room_are_left_out() {
        let text = fit("head\n", vec![section("rows", 1, 100)], "foot\n", Some(250));
        assert!(text.contains("left out: all 100 rows.") && !text.contains('<'));
    }

    #[test]
    fn what_fits_is_whole() {
        let whole = fit("head\n", vec![section("rows", 1, 3)], "foot\n", None);
        let limit = size(&whole);
        let same = fit("head\n", vec![section("rows", 1, 3)], "foot\n", Some(limit));
        assert_eq!(whole, same);
    }
}

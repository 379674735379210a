//! Colours, light and dark. The contrast of each with what it stands on is tested.

use std::fmt::Write as _;

pub struct Palette {
    /// Page and raised surfaces.
    pub grounds: [(&'static str, &'static str); 2],
    /// Colours of text.
    pub inks: [(&'static str, &'static str); 6],
    /// Lines between things; decoration only.
    pub rule: &'static str,
    /// Series of charts.
    pub series: [&'static str; SERIES],
}

pub const SERIES: usize = 8;

pub const LIGHT: Palette = Palette {
    grounds: [("ground", "#ffffff"), ("surface", "#f5f6f8")],
    inks: [
        ("ink", "#1c2127"),
        ("muted", "#59616b"),
        ("accent", "#1f5fc4"),
        ("good", "#17713a"),
        ("bad", "#b91c2b"),
        ("warn", "#8a5300"),
    ],
    rule: "#dcdfe4",
    series: [
        "#2f6fd6", "#c2600f", "#1c8a55", "#8455d6", "#c23a82", "#0e7f8c", "#8c6c00", "#6c7683",
    ],
};

pub const DARK: Palette = Palette {
    grounds: [("ground", "#0f1318"), ("surface", "#181d24")],
    inks: [
        ("ink", "#e8ebef"),
        ("muted", "#9da6b1"),
        ("accent", "#7fb2ff"),
        ("good", "#5fcf86"),
        ("bad", "#ff8087"),
        ("warn", "#e8b45a"),
    ],
    rule: "#2c333c",
    series: [
        "#5b93ec", "#e08a45", "#45b37c", "#a583ea", "#e0729f", "#3fb0bb", "#c4a33a", "#8a94a1",
    ],
};

impl Palette {
    /// As CSS custom properties.
    pub fn css(&self) -> String {
        let mut out = String::new();
        let named = self.grounds.iter().chain(&self.inks);
        for (name, color) in named {
            let _ = write!(out, "--{name}:{color};");
        }
        let _ = write!(out, "--rule:{};", self.rule);
        for (at, color) in self.series.iter().enumerate() {
            let _ = write!(out, "--s{at}:{color};");
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// <https://www.w3.org/TR/WCAG22/#dfn-relative-luminance>
    fn luminance(color: &str) -> f64 {
        let channel = |at: usize| {
            let value = u8::from_str_radix(&color[at..at + 2], 16).unwrap();
            let value = f64::from(value) / 255.0;
            match value <= 0.04045 {
                true => value / 12.92,
                false => ((value + 0.055) / 1.055).powf(2.4),
            }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    fn contrast(one: &str, other: &str) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    /// WCAG 2.2 AA: 4.5 for text (1.4.3), 3 for what a chart is made of (1.4.11).
    #[test]
    fn everything_has_enough_contrast() {
        for palette in [LIGHT, DARK] {
            for (_, ground) in palette.grounds {
                for (name, ink) in palette.inks {
                    assert!(
                        contrast(ink, ground) >= 4.5,
                        "{name} {ink} on {ground}: {}",
                        contrast(ink, ground)
                    );
                }
                for color in palette.series {
                    assert!(
                        contrast(color, ground) >= 3.0,
                        "{color} on {ground}: {}",
                        contrast(color, ground)
                    );
                }
            }
        }
    }
}

//! The set itself: how fast each point of the view escapes.

use crate::{palette, view::View};

/// Far enough out that the smooth count below is smooth.
const ESCAPE_SQUARED: f64 = 1e4;

/// Draws the view as rows of RGB.
pub(crate) fn draw(view: &View) -> Vec<u8> {
    // The whole set is 3 wide and 2.5 high.
    let pixel = (3.0 / f64::from(view.width)).max(2.5 / f64::from(view.height)) / view.zoom;
    let limit = 300 + (120.0 * view.zoom.max(1.0).log2()) as u32;
    let mut rgb = Vec::with_capacity(view.width as usize * view.height as usize * 3);
    for row in 0..view.height {
        let y = view.y - (f64::from(row) - f64::from(view.height) / 2.0) * pixel;
        for column in 0..view.width {
            let x = view.x + (f64::from(column) - f64::from(view.width) / 2.0) * pixel;
            rgb.extend(escape(x, y, limit).map_or([8, 6, 16], palette::colour));
        }
    }
    rgb
}

/// After how many steps the point leaves, as a smooth number; `None` when it stays.
fn escape(cx: f64, cy: f64, limit: u32) -> Option<f64> {
    if in_the_large_bulbs(cx, cy) {
        return None;
    }
    let (mut x, mut y) = (0.0, 0.0);
    let (mut seen_x, mut seen_y, mut next_look) = (0.0, 0.0, 16);
    for step in 0..limit {
        let (xx, yy) = (x * x, y * y);
        if xx + yy > ESCAPE_SQUARED {
            // Continuous where whole steps would leave bands.
            return Some(f64::from(step) + 1.0 - ((xx + yy).ln() / 2.0).log2());
        }
        y = 2.0 * x * y + cy;
        x = xx - yy + cx;
        // A point that comes back to where it was goes round for ever.
        if x == seen_x && y == seen_y {
            return None;
        }
        if step == next_look {
            (seen_x, seen_y, next_look) = (x, y, next_look * 2);
        }
    }
    None
}

/// The cardioid and the disc left of it: most of the set, known without counting.
fn in_the_large_bulbs(x: f64, y: f64) -> bool {
    let q = (x - 0.25) * (x - 0.25) + y * y;
    q * (q + (x - 0.25)) <= 0.25 * y * y || (x + 1.0) * (x + 1.0) + y * y <= 1.0 / 16.0
}

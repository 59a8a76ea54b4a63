//! Floating point: escape times over the whole set.

const WIDTH: u32 = 192;
const HEIGHT: u32 = 160;
const LIMIT: u32 = 100;

/// Steps taken for all points of a picture of the set.
pub(crate) fn steps() -> u64 {
    let pixel = 3.0 / f64::from(WIDTH);
    let points = (0..HEIGHT).flat_map(|row| (0..WIDTH).map(move |column| (row, column)));
    points
        .map(|(row, column)| escape(f64::from(column) * pixel - 2.25, f64::from(row) * pixel - 1.25))
        .map(u64::from)
        .sum()
}

fn escape(cx: f64, cy: f64) -> u32 {
    let (mut x, mut y) = (0.0, 0.0);
    for step in 0..LIMIT {
        let (xx, yy) = (x * x, y * y);
        if xx + yy > 4.0 {
            return step;
        }
        y = 2.0 * x * y + cy;
        x = xx - yy + cx;
    }
    LIMIT
}

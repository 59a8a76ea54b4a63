//! Colours for escape times.

/// Stops of one turn through the palette: night blue, sea, foam, sand, ember, and back.
const STOPS: [[f64; 3]; 6] = [
    [8.0, 16.0, 56.0],
    [24.0, 92.0, 170.0],
    [190.0, 232.0, 242.0],
    [255.0, 196.0, 84.0],
    [176.0, 62.0, 32.0],
    [44.0, 10.0, 48.0],
];

/// The colour of a smooth escape time.
pub(crate) fn colour(time: f64) -> [u8; 3] {
    // A square root spreads the crowded first steps and the long tail alike.
    let turn = (time.max(0.0).sqrt() * 0.19).fract() * STOPS.len() as f64;
    let (low, part) = (turn as usize % STOPS.len(), turn.fract());
    let high = (low + 1) % STOPS.len();
    // An S curve: colours meet without a crease.
    let part = part * part * (3.0 - 2.0 * part);
    std::array::from_fn(|i| (STOPS[low][i] + (STOPS[high][i] - STOPS[low][i]) * part) as u8)
}

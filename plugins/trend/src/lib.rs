//! Continues a series of numbers, and says how far that may be off: a compute plugin, since it only burns CPU.

use wasmbay_sdk::prelude::*;

/// Fits the manifest's limits with room to spare.
const MOST: usize = 1000;

/// Series that might have been: enough for tenths.
const SERIES: usize = 2000;

#[derive(Deserialize)]
struct Asked {
    values: Vec<f64>,
    ahead: usize,
}

/// What comes next, and between which bounds it lies nine times out of ten.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Trend {
    next: Vec<f64>,
    low: Vec<f64>,
    high: Vec<f64>,
}

#[post("/trend")]
fn trend(Json(asked): Json<Asked>) -> Result<Json<Trend>> {
    let Asked { values, ahead } = asked;
    if !(3..=MOST).contains(&values.len()) || !(1..=MOST / 10).contains(&ahead) {
        let said = format!("a trend is drawn through 3 to {MOST} values, and 1 to {} ahead", MOST / 10);
        return Err(Problem::unprocessable(said).into());
    }
    Ok(Json(bounded(&values, ahead)))
}

fn bounded(values: &[f64], ahead: usize) -> Trend {
    let line = Line::through(values);
    let off: Vec<_> = (0..).zip(values).map(|(place, value)| value - line.at(place)).collect();
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    // Each is the line with what the values are off, dealt out anew.
    let lines: Vec<_> = (0..SERIES)
        .map(|_| Line::through(&(0..values.len()).map(|place| line.at(place) + dice.one_of(&off)).collect::<Vec<_>>()))
        .collect();
    let (mut low, mut high) = (Vec::new(), Vec::new());
    for place in values.len()..values.len() + ahead {
        let mut said: Vec<_> = lines.iter().map(|line| line.at(place) + dice.one_of(&off)).collect();
        said.sort_by(f64::total_cmp);
        low.push(rounded(said[SERIES / 20]));
        high.push(rounded(said[SERIES - SERIES / 20]));
    }
    Trend { next: (values.len()..values.len() + ahead).map(|place| rounded(line.at(place))).collect(), low, high }
}

fn rounded(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

struct Line {
    start: f64,
    slope: f64,
}

impl Line {
    /// The line that is off by the least squares.
    fn through(values: &[f64]) -> Self {
        let count = values.len() as f64;
        let (middle, mean) = ((count - 1.0) / 2.0, values.iter().sum::<f64>() / count);
        let (mut with, mut alone) = (0.0, 0.0);
        for (place, value) in values.iter().enumerate() {
            let from_middle = place as f64 - middle;
            with += from_middle * (value - mean);
            alone += from_middle * from_middle;
        }
        let slope = with / alone;
        Self { start: mean - slope * middle, slope }
    }

    fn at(&self, place: usize) -> f64 {
        self.start + self.slope * place as f64
    }
}

/// The same throws each time: who asks the same is answered the same (xorshift64*).
struct Dice(u64);

impl Dice {
    fn one_of(&mut self, numbers: &[f64]) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as usize;
        numbers[high % numbers.len()]
    }
}

routes!(trend);

#[cfg(test)]
mod tests {
    use wasmbay_sdk::testing::{Answer, Client};

    use super::*;

    fn ask(values: &[f64], ahead: usize) -> Answer {
        Client::new(PLUGIN).post_json("/trend", &serde_json::json!({ "values": values, "ahead": ahead }))
    }

    #[test]
    fn a_straight_line_goes_on_and_is_sure_of_it() {
        let straight = Trend { next: vec![5.0, 6.0], low: vec![5.0, 6.0], high: vec![5.0, 6.0] };
        assert_eq!(ask(&[1.0, 2.0, 3.0, 4.0], 2).json::<Trend>(), straight);
    }

    #[test]
    fn a_crooked_one_lies_between_bounds() {
        let Trend { next, low, high } = bounded(&[10.0, 14.0, 11.0, 16.0, 13.0, 18.0], 3);
        for place in 0..3 {
            assert!(low[place] < next[place] && next[place] < high[place], "{next:?} {low:?} {high:?}");
        }
    }

    #[test]
    fn what_no_line_can_be_drawn_through_is_refused() {
        for (values, ahead) in [(&[1.0, 2.0][..], 1), (&[1.0, 2.0, 3.0], 0)] {
            assert_eq!(ask(values, ahead).status(), 422);
        }
    }
}

//! Which part of the plane to draw, how large: read from the query.

use wasmbay_sdk::prelude::*;

/// The largest picture, so that one request stays within the manifest's limits.
const MAX_PIXELS: u32 = 1280 * 1280;

/// Past this, neighbouring pixels are the same number to an `f64`.
const MAX_ZOOM: f64 = 1e12;

/// A window on the complex plane.
pub(crate) struct View {
    /// The centre.
    pub(crate) x: f64,
    pub(crate) y: f64,
    /// 1 shows the whole set; 10 a tenth of it.
    pub(crate) zoom: f64,
    /// The picture's size in pixels.
    pub(crate) width: u32,
    pub(crate) height: u32,
}

impl Default for View {
    /// A spiral in the valley of the seahorses.
    fn default() -> Self {
        Self { x: -0.743_643_887, y: 0.131_825_904, zoom: 1_500.0, width: 800, height: 600 }
    }
}

/// The query; what is missing keeps its default.
#[derive(Deserialize)]
pub(crate) struct Asked {
    x: Option<f64>,
    y: Option<f64>,
    zoom: Option<f64>,
    /// `800x600`.
    size: Option<String>,
}

impl View {
    /// The view that is asked for.
    ///
    /// # Errors
    ///
    /// A sentence for the client about the first value that is too large or none.
    pub(crate) fn new(asked: Asked) -> Result<Self, Problem> {
        let usual = Self::default();
        let (width, height) = asked.size.as_deref().map_or(Ok((usual.width, usual.height)), size)?;
        let (x, y) = (asked.x.unwrap_or(usual.x), asked.y.unwrap_or(usual.y));
        let zoom = asked.zoom.unwrap_or(usual.zoom);
        if !(x.is_finite() && y.is_finite()) {
            return Err(Problem::bad_request("x and y must be finite"));
        }
        if !(0.1..=MAX_ZOOM).contains(&zoom) {
            return Err(Problem::bad_request(format!("zoom must be from 0.1 to {MAX_ZOOM:e}")));
        }
        Ok(Self { x, y, zoom, width, height })
    }
}

fn size(text: &str) -> Result<(u32, u32), Problem> {
    let parsed = text.split_once('x').and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    let fits = |(width, height): &(u32, u32)| {
        *width > 0 && *height > 0 && width.checked_mul(*height).is_some_and(|pixels| pixels <= MAX_PIXELS)
    };
    let wrong = || Problem::bad_request(format!("size must be WIDTHxHEIGHT, at most {MAX_PIXELS} pixels"));
    parsed.filter(fits).ok_or_else(wrong)
}

//! Which part of the plane to draw, how large: read from the query.

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

impl View {
    /// Reads `x`, `y`, `zoom` and `size` (`800x600`); what is missing keeps its default.
    ///
    /// # Errors
    ///
    /// A sentence for the client about the first value that is not one, or too large.
    pub(crate) fn from_query(query: &str) -> Result<Self, String> {
        let mut view = Self::default();
        for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            match key {
                "x" => view.x = number(key, value)?,
                "y" => view.y = number(key, value)?,
                "zoom" => view.zoom = number(key, value)?,
                "size" => (view.width, view.height) = size(value)?,
                _ => return Err(format!("unknown key {key:?}; known are x, y, zoom and size\n")),
            }
        }
        if !(0.1..=MAX_ZOOM).contains(&view.zoom) {
            return Err(format!("zoom must be from 0.1 to {MAX_ZOOM:e}\n"));
        }
        Ok(view)
    }
}

fn number(key: &str, text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|number: &f64| number.is_finite()).ok_or(format!("{key} must be a number\n"))
}

fn size(text: &str) -> Result<(u32, u32), String> {
    let parsed = text.split_once('x').and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    parsed
        .filter(|(width, height): &(u32, u32)| {
            *width > 0 && *height > 0 && width.checked_mul(*height).is_some_and(|pixels| pixels <= MAX_PIXELS)
        })
        .ok_or(format!("size must be WIDTHxHEIGHT, at most {MAX_PIXELS} pixels\n"))
}

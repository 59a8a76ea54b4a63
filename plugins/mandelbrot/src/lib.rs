//! Draws the Mandelbrot set as a PNG: a compute plugin with a result to look at.

mod palette;
mod png;
mod set;
mod view;

use view::{Asked, View};
use wasmbay_sdk::prelude::*;

/// Not `async`: drawing waits for nothing and burns CPU, which is what `lane = "compute"` is for.
#[get("/mandelbrot")]
fn mandelbrot(Query(asked): Query<Asked>) -> Result<Response> {
    let view = View::new(asked)?;
    let picture = png::encode(view.width, view.height, &set::draw(&view));
    Ok(Response::builder().header("content-type", "image/png").body(picture.into())?)
}

routes!(mandelbrot);

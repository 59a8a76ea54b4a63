//! Makes pictures smaller. Decoding a stranger's picture is the classic way into a server: here what goes wrong stays in a
//! sandbox with a budget.

use std::io::Cursor;

use image::{ImageError, ImageFormat, ImageReader, Limits};
use wasmbay_sdk::prelude::*;

/// The longest side of a thumbnail, in pixels.
const LARGEST: u32 = 2048;

/// Bytes that a picture may take once it is unpacked: what the manifest's `limits.memory` leaves beside it.
const UNPACKED: u64 = 96 << 20;

/// Answers a PNG or JPEG with one of the same kind that fits into a square of so many pixels.
#[post("/thumbs/{size}")]
fn thumb(Path(size): Path<u32>, picture: Bytes) -> Result<Response> {
    if !(1..=LARGEST).contains(&size) {
        return Err(Problem::unprocessable(format!("a size is 1 to {LARGEST} pixels")).into());
    }
    let mut reader = ImageReader::new(Cursor::new(&picture)).with_guessed_format()?;
    let Some(format @ (ImageFormat::Png | ImageFormat::Jpeg)) = reader.format() else {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(Problem::new(status, "no-picture", "the body is neither a PNG nor a JPEG").into());
    };
    let mut limits = Limits::default();
    limits.max_alloc = Some(UNPACKED);
    reader.limits(limits);
    let picture = reader.decode().map_err(unreadable)?;
    let mut small = Vec::new();
    picture.thumbnail(size, size).write_to(&mut Cursor::new(&mut small), format)?;
    Ok(Response::builder().header("content-type", format.to_mime_type()).body(small.into())?)
}

/// A picture is the client's: what is wrong with it is told.
fn unreadable(error: ImageError) -> Problem {
    match error {
        ImageError::Limits(_) => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-many-pixels", "the picture has too many pixels")
        }
        error => Problem::unprocessable(format!("the picture cannot be read: {error}")),
    }
}

routes!(thumb);

#[cfg(test)]
mod tests {
    use image::{DynamicImage, GenericImageView as _};
    use wasmbay_sdk::testing::Client;

    use super::*;

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        let picture = DynamicImage::new_rgb8(width, height);
        picture.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png).expect("a picture");
        bytes
    }

    #[test]
    fn a_picture_keeps_its_proportions() {
        let answer = Client::new(PLUGIN).post("/thumbs/64", png(200, 100));
        assert_eq!(answer.status(), 200);
        assert_eq!(image::load_from_memory(answer.bytes()).expect("a picture").dimensions(), (64, 32));
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        let client = Client::new(PLUGIN);
        assert_eq!(client.post("/thumbs/64", "GIF89a").status(), 415);
        assert_eq!(client.post("/thumbs/64", png(20, 10)[..40].to_vec()).status(), 422);
        assert_eq!(client.post("/thumbs/0", png(2, 1)).status(), 422);
    }
}

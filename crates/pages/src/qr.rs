//! QR codes (ISO/IEC 18004) as one SVG path, without style attributes, which the content security
//! policy would refuse.

use fast_qr::QRBuilder;

crate::components::closed!(QrCode);

/// A QR code, ready for `<svg>`. What it says is a secret, as often as not.
#[derive(Clone, PartialEq, Eq)]
pub struct QrCode {
    /// The width and height with the quiet zone, in modules.
    pub size: usize,
    /// The dark modules, as the `d` of a path.
    pub path: String,
}

/// The light border that readers need, in modules.
const QUIET: usize = 4;

impl QrCode {
    /// The code of this text; `None` if the text is too long for one (some 2,300 bytes).
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let code = QRBuilder::new(text).build().ok()?;
        let size = code.size;
        let modules = code.data.get(..size.checked_mul(size)?)?;
        let mut path = String::new();
        for (y, row) in modules.chunks(size).enumerate() {
            let mut x = 0;
            for run in row.chunk_by(|a, b| a.value() == b.value()) {
                if run.first().is_some_and(|module| module.value()) {
                    let (left, top, width) = (x + QUIET, y + QUIET, run.len());
                    path.push_str(&format!("M{left} {top}h{width}v1h-{width}z"));
                }
                x += run.len();
            }
        }
        Some(Self { size: size + 2 * QUIET, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_begins_with_its_finder_pattern() {
        let code = QrCode::of("otpauth://totp/Evergate:alice?secret=JBSWY3DPEHPK3PXP").unwrap();
        assert!(code.path.starts_with("M4 4h7v1h-7z"), "{}", code.path);
        assert!(code.size > 21 && code.size < 60);
        assert!(QrCode::of(&"x".repeat(4000)).is_none());
    }
}

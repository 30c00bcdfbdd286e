//! The version of a program whose build information was removed.
//!
//! Some projects overwrite or drop `.go.buildinfo`. The linker also sets the variable `runtime.buildVersion`, a string
//! header in initialised memory; without symbols it is known by what it refers to.

use super::address::Address;
use super::image::Image;
use super::pclntab::table::Form;
use super::version::GoVersion;

const PREFIX: &[u8] = b"go1.";
/// `go1.26.1 X:simd,jsonv2` and the like.
const MAX_LENGTH: u64 = 64;
/// Texts that begin like a version; a bound for damaged files.
const MAX_PLACES: usize = 64;

/// The text of the one version that some string variable holds and that writes a function table of this form.
pub(super) fn find(image: &Image, form: Form) -> Option<String> {
    let mut found: Option<String> = None;
    for text in places(image) {
        for header in image.places_pointing_to(text) {
            let Some(version) = text_of(image, text, header) else {
                continue;
            };
            let fits = GoVersion::parse(&version).is_some_and(|version| form.written_by(version.minor));
            match &found {
                _ if !fits => {}
                Some(other) if *other != version => return None,
                _ => found = Some(version),
            }
        }
    }
    found
}

fn places(image: &Image) -> Vec<Address> {
    let mut places = Vec::new();
    for segment in image.elf().segments.iter().filter(|segment| !segment.executable) {
        let bytes = image.elf().segment_contents(image.data(), segment);
        let starts = bytes.windows(PREFIX.len()).enumerate();
        let starts = starts.filter(|(_, window)| *window == PREFIX);
        places.extend(starts.map(|(at, _)| Address(segment.address).plus(at as u64)));
    }
    places.truncate(MAX_PLACES);
    places
}

/// The text whose header is there, if that is what it is.
fn text_of(image: &Image, text: Address, header: Address) -> Option<String> {
    let length = image.read(header.plus(8), 8)?;
    let length = u64::from_le_bytes(length.try_into().ok()?);
    if length > MAX_LENGTH {
        return None;
    }
    let bytes = image.read(text, usize::try_from(length).ok()?)?;
    let is_version = |byte: &u8| byte.is_ascii_alphanumeric() || b". :,-+".contains(byte);
    let text = String::from_utf8(bytes.to_vec()).ok()?;
    bytes.iter().all(is_version).then_some(text)
}

//! Go's CPU profiles: what each sample was taken in.
//!
//! The format is `profile.proto` of github.com/google/pprof, compressed with gzip.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use flate2::read::GzDecoder;

/// Samples that were taken at the same place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// How often.
    pub count: u64,
    /// The functions, the innermost first; empty for code that the program does not know.
    pub functions: Vec<String>,
}

/// Reads a profile that a program has written.
///
/// # Errors
/// It can't be read, or is none.
pub fn read(path: &Path) -> io::Result<Vec<Sample>> {
    let mut bytes = Vec::new();
    GzDecoder::new(File::open(path)?).read_to_end(&mut bytes)?;
    samples(&bytes).ok_or_else(|| io::Error::other("not a profile"))
}

fn samples(profile: &[u8]) -> Option<Vec<Sample>> {
    let (mut samples, mut strings) = (Vec::new(), Vec::new());
    let (mut locations, mut functions) = (HashMap::new(), HashMap::new());
    for (number, value) in fields(profile)? {
        match (number, value) {
            (2, Value::Bytes(sample)) => samples.push(sample),
            (4, Value::Bytes(location)) => {
                let lines = all(location, 4)?.into_iter();
                let of: Option<Vec<u64>> = lines.map(|line| number_of(line.bytes()?, 1)).collect();
                locations.insert(number_of(location, 1)?, of?);
            }
            (5, Value::Bytes(function)) => {
                functions.insert(number_of(function, 1)?, number_of(function, 2)?);
            }
            (6, Value::Bytes(text)) => strings.push(String::from_utf8_lossy(text).into_owned()),
            _ => {}
        }
    }
    let name = |function: &u64| {
        // Of none, where there is no such function.
        let name = functions.get(function).copied().unwrap_or(0);
        strings.get(usize::try_from(name).ok()?).cloned()
    };
    let sample = |bytes: &[u8]| {
        let mut names = Vec::new();
        for location in numbers(bytes, 1)? {
            match locations.get(&location)?.as_slice() {
                [] => names.push(String::new()),
                inlined => names.extend(inlined.iter().map(name).collect::<Option<Vec<_>>>()?),
            }
        }
        Some(Sample {
            count: *numbers(bytes, 2)?.first()?,
            functions: names,
        })
    };
    samples.into_iter().map(sample).collect()
}

#[derive(Clone, Copy)]
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Value::Bytes(bytes) => Some(bytes),
            Value::Number(_) => None,
        }
    }
}

/// The fields of a message, with their numbers.
fn fields(mut message: &[u8]) -> Option<Vec<(u64, Value<'_>)>> {
    let mut fields = Vec::new();
    while !message.is_empty() {
        let key = variable(&mut message)?;
        let value = match key & 7 {
            0 => Value::Number(variable(&mut message)?),
            2 => {
                let length = usize::try_from(variable(&mut message)?).ok()?;
                let (bytes, rest) = message.split_at_checked(length)?;
                message = rest;
                Value::Bytes(bytes)
            }
            _ => return None,
        };
        fields.push((key >> 3, value));
    }
    Some(fields)
}

fn all(message: &[u8], number: u64) -> Option<Vec<Value<'_>>> {
    let fields = fields(message)?.into_iter();
    Some(
        fields
            .filter(|(n, _)| *n == number)
            .map(|(_, value)| value)
            .collect(),
    )
}

/// The numbers of a field that may occur more than once, also packed into one.
fn numbers(message: &[u8], number: u64) -> Option<Vec<u64>> {
    let mut numbers = Vec::new();
    for value in all(message, number)? {
        match value {
            Value::Number(number) => numbers.push(number),
            Value::Bytes(mut packed) => {
                while !packed.is_empty() {
                    numbers.push(variable(&mut packed)?);
                }
            }
        }
    }
    Some(numbers)
}

/// A number of a message: 0 is not written.
fn number_of(message: &[u8], number: u64) -> Option<u64> {
    Some(numbers(message, number)?.first().copied().unwrap_or(0))
}

/// A number of variable length.
fn variable(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_have_their_functions() {
        let profile = [
            &[0x12, 7, 0x0a, 2, 1, 2, 0x12, 1, 9][..], // nine samples in 1, called by 2
            &[0x12, 6, 0x0a, 1, 3, 0x12, 1, 4],        // four in 3
            &[0x22, 6, 0x08, 1, 0x22, 2, 0x08, 5],     // 1 is in function 5
            &[0x22, 6, 0x08, 2, 0x22, 2, 0x08, 6],     // 2 is in function 6
            &[0x22, 2, 0x08, 3],                       // 3 is in none
            &[0x2a, 4, 0x08, 5, 0x10, 1, 0x2a, 4, 0x08, 6, 0x10, 2],
            &[0x32, 0, 0x32, 1, b'f', 0x32, 1, b'g'],
        ]
        .concat();
        let named = |count, functions: &[&str]| Sample {
            count,
            functions: functions.iter().map(|name| (*name).to_owned()).collect(),
        };
        assert_eq!(
            samples(&profile),
            Some(vec![named(9, &["f", "g"]), named(4, &[""])])
        );
        assert_eq!(samples(&profile[..5]), None);
    }
}

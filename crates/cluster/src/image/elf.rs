//! What a program needs beside itself, read from its file: loader and shared libraries (System V ABI, *Object Files*
//! and *Program Loading and Dynamic Linking*). 64-bit little-endian files, of the machines that Evergate is built for.

/// More program headers, or entries of the dynamic section, than any program has.
const MOST: usize = 4096;
/// Longer than a library's name or a loader's path can be.
const LONGEST: usize = 4096;
const LOADED: u32 = 1;
const DYNAMIC: u32 = 2;
const INTERPRETER: u32 = 3;
const END: u64 = 0;
const NEEDED: u64 = 1;
const STRINGS: u64 = 5;

/// What a program or a library needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needs {
    /// The machine that it is for.
    pub architecture: Architecture,
    /// The path of the loader; nothing for libraries and for programs that need none.
    pub loader: Option<String>,
    /// Names of shared libraries, in the order in which they are looked for.
    pub libraries: Vec<String>,
}

/// A machine's architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// x86-64.
    Amd64,
    /// AArch64.
    Arm64,
}

impl Architecture {
    /// Its name in images.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// The name of directories of its libraries on Debian and its kin.
    #[must_use]
    pub const fn triplet(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64-linux-gnu",
            Self::Arm64 => "aarch64-linux-gnu",
        }
    }
}

/// Why a file is no program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ElfError {
    /// It is something else.
    #[error("it is not a 64-bit little-endian ELF file")]
    NotElf,
    /// Evergate is not built for its machine.
    #[error("it is for a machine of another kind (number {0})")]
    Machine(u16),
    /// It ends too early, or points outside of itself.
    #[error("it is cut off or contradicts itself")]
    Broken,
    /// It has more of something than any program.
    #[error("it has more headers or longer names than a program has")]
    TooMuch,
}

/// Reads what a program or a library needs.
///
/// # Errors
/// When it is none for a machine that Evergate is built for.
pub fn needs(file: &[u8]) -> Result<Needs, ElfError> {
    // Magic number, 64 bits, little-endian.
    if file.get(..6) != Some(b"\x7fELF\x02\x01") {
        return Err(ElfError::NotElf);
    }
    let architecture = match half(file, 18)? {
        62 => Architecture::Amd64,
        183 => Architecture::Arm64,
        other => return Err(ElfError::Machine(other)),
    };
    let segments = segments(file)?;
    let of = |kind| segments.iter().find(|segment| segment.kind == kind);
    let loader = of(INTERPRETER).map(|segment| text(file, segment.offset)).transpose()?;
    let libraries = match of(DYNAMIC) {
        Some(dynamic) => libraries(file, dynamic, &segments)?,
        None => Vec::new(),
    };
    Ok(Needs { architecture, loader, libraries })
}

/// What is loaded from where to where.
#[derive(Debug)]
struct Segment {
    kind: u32,
    offset: u64,
    address: u64,
    size: u64,
}

fn segments(file: &[u8]) -> Result<Vec<Segment>, ElfError> {
    let (table, size, count) = (word(file, 32)?, half(file, 54)?, half(file, 56)?);
    if usize::from(count) > MOST {
        return Err(ElfError::TooMuch);
    }
    let segment = |number: u16| {
        let at = table.checked_add(u64::from(number) * u64::from(size)).ok_or(ElfError::Broken)?;
        let field = |offset: u64| word(file, at.checked_add(offset).ok_or(ElfError::Broken)?);
        let kind = u32::try_from(field(0)? & u64::from(u32::MAX)).map_err(|_| ElfError::Broken)?;
        Ok(Segment { kind, offset: field(8)?, address: field(16)?, size: field(32)? })
    };
    (0..count).map(segment).collect()
}

fn libraries(file: &[u8], dynamic: &Segment, segments: &[Segment]) -> Result<Vec<String>, ElfError> {
    let mut names = Vec::new();
    let mut strings = None;
    for number in 0..=MOST as u64 {
        if number == MOST as u64 {
            return Err(ElfError::TooMuch);
        }
        let at = dynamic.offset.checked_add(number * 16).ok_or(ElfError::Broken)?;
        let (tag, value) = (word(file, at)?, word(file, at.checked_add(8).ok_or(ElfError::Broken)?)?);
        match tag {
            END => break,
            NEEDED => names.push(value),
            STRINGS => strings = Some(value),
            _ => {}
        }
    }
    if names.is_empty() {
        return Ok(Vec::new());
    }
    // The table of names is given by where it is in memory.
    let address = strings.ok_or(ElfError::Broken)?;
    let holds = |segment: &&Segment| {
        segment.kind == LOADED
            && address.checked_sub(segment.address).is_some_and(|offset| offset < segment.size)
    };
    let segment = segments.iter().find(holds).ok_or(ElfError::Broken)?;
    let table = segment.offset.checked_add(address - segment.address).ok_or(ElfError::Broken)?;
    names.into_iter().map(|name| text(file, table.checked_add(name).ok_or(ElfError::Broken)?)).collect()
}

/// A text that ends with a zero byte.
fn text(file: &[u8], at: u64) -> Result<String, ElfError> {
    let at = usize::try_from(at).map_err(|_| ElfError::Broken)?;
    let rest = file.get(at..).ok_or(ElfError::Broken)?;
    let rest = rest.get(..LONGEST).unwrap_or(rest);
    let end = rest.iter().position(|byte| *byte == 0);
    let end = end.ok_or(if rest.len() == LONGEST { ElfError::TooMuch } else { ElfError::Broken })?;
    let text = rest.get(..end).and_then(|text| std::str::from_utf8(text).ok());
    text.filter(|text| !text.is_empty()).map(str::to_owned).ok_or(ElfError::Broken)
}

fn half(file: &[u8], at: u64) -> Result<u16, ElfError> {
    Ok(u16::from_le_bytes(bytes(file, at)?))
}

fn word(file: &[u8], at: u64) -> Result<u64, ElfError> {
    Ok(u64::from_le_bytes(bytes(file, at)?))
}

fn bytes<const N: usize>(file: &[u8], at: u64) -> Result<[u8; N], ElfError> {
    let at = usize::try_from(at).map_err(|_| ElfError::Broken)?;
    let end = at.checked_add(N).ok_or(ElfError::Broken)?;
    file.get(at..end).and_then(|bytes| bytes.try_into().ok()).ok_or(ElfError::Broken)
}

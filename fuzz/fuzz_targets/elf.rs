//! Files that are said to be programs: whatever they say, reading them ends, and what is read has limits.
#![no_main]

use evergate_cluster::image::elf::needs;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| {
    let Ok(needs) = needs(file) else { return };
    let names = needs.libraries.iter().chain(&needs.loader);
    assert!(names.clone().count() <= 4097);
    assert!(names.into_iter().all(|name| !name.is_empty() && name.len() < 4096 && !name.contains('\0')));
});

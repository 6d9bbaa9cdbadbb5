//! Images of this very test program; that engines take them is shown in the harness.

use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::*;

fn this() -> PathBuf {
    std::env::current_exe().unwrap()
}

/// `tar` of the system, given an archive.
fn tar(arguments: &[&str], archive: &[u8]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a.tar");
    std::fs::write(&file, archive).unwrap();
    let mut command = Command::new("tar");
    let output = command.arg("-f").arg(&file).args(arguments).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_same_program_makes_the_same_image() {
    let image = || build(&this(), Variant::Inner, "evergate:1.0.0").unwrap();
    let (one, two) = (image(), image());
    assert_eq!((one.id(), one.archive()), (two.id(), two.archive()));
    let other = build(&this(), Variant::AccessPoint, "evergate:1.0.0").unwrap();
    assert_ne!(other.id(), one.id());
    let renamed = build(&this(), Variant::Inner, "evergate").unwrap();
    assert_eq!((renamed.id(), renamed.reference()), (one.id(), "evergate:latest"));
}

#[test]
fn an_image_holds_the_program_what_it_needs_and_little_else() {
    let image = build(&this(), Variant::AccessPoint, "registry.example:5000/evergate-access-point").unwrap();
    assert_eq!(image.reference(), "registry.example:5000/evergate-access-point:latest");
    let manifest: serde_json::Value =
        serde_json::from_str(&tar(&["-xO", "manifest.json"], image.archive())).unwrap();
    let config = manifest[0]["Config"].as_str().unwrap();
    let config = tar(&["-xO", config], image.archive());
    assert_eq!(format!("sha256:{}", sha256(config.as_bytes())), image.id());
    let config: serde_json::Value = serde_json::from_str(&config).unwrap();
    assert_eq!(config["config"]["User"], "65532:65532");
    assert_eq!(config["config"]["Entrypoint"], json!([PROGRAM, "supervise"]));

    let mut layer = Archive::default();
    files::skeleton(&mut layer).unwrap();
    let needs = elf::needs(&std::fs::read(this()).unwrap()).unwrap();
    for (path, content) in libraries::of(&this(), &needs).unwrap() {
        layer.file(&path, 0o755, &content).unwrap();
    }
    let listed = tar(&["--numeric-owner", "-tv"], &layer.end());
    assert!(listed.contains("libc.so.6") && listed.contains("ld-linux"), "{listed}");
    assert!(
        listed
            .lines()
            .any(|line| line.starts_with("drwx------ 65532/65532") && line.ends_with(" var/lib/evergate/")),
        "{listed}"
    );
    assert!(!listed.contains("/sh") && listed.lines().count() < 40, "{listed}");
}

#[test]
fn what_ldd_finds_is_found_by_reading() {
    let program = std::fs::read(this()).unwrap();
    let own = libraries::of(&this(), &elf::needs(&program).unwrap()).unwrap();
    let told = Command::new("ldd").arg(this()).stdin(Stdio::null()).output().unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    let paths = told.lines().filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')));
    let wanted: Vec<&str> = paths.map(|path| path.trim_start_matches('/')).collect();
    assert!(wanted.len() >= 3, "{told}");
    for path in wanted {
        assert!(own.contains_key(path), "{path} of {told} is not in {:?}", own.keys());
    }
}

#[test]
fn what_is_no_program_or_no_name_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("script");
    std::fs::write(&script, "#!/bin/sh\n").unwrap();
    let refused = build(&script, Variant::Inner, "evergate").unwrap_err();
    assert!(matches!(refused, ImageError::Program { source: elf::ElfError::NotElf, .. }), "{refused}");
    assert!(matches!(
        build(&directory.path().join("none"), Variant::Inner, "e"),
        Err(ImageError::Read { .. })
    ));
    for name in ["", "a b", "evergate@sha256:0", "$(id)"] {
        let refused = build(&this(), Variant::Inner, name);
        assert!(matches!(refused, Err(ImageError::Reference(_))), "{name}");
    }
}

#[test]
fn a_program_that_is_cut_off_anywhere_is_refused_or_read() {
    let whole = std::fs::read(this()).unwrap();
    let head = whole.get(..whole.len().min(20_000)).unwrap();
    assert!((0..head.len()).all(|end| end > 64 || elf::needs(head.get(..end).unwrap()).is_err()));
    let mut other = whole;
    other[18] = 40;
    assert_eq!(elf::needs(&other), Err(elf::ElfError::Machine(40)));
}

proptest! {
    #[test]
    fn whatever_is_read_as_a_program_nothing_breaks(
        bytes in proptest::collection::vec(any::<u8>(), 64..600),
    ) {
        let mut file = b"\x7fELF\x02\x01".to_vec();
        file.extend(bytes);
        file[18] = 62;
        file[19] = 0;
        // Headers where there are some bytes.
        file[32..40].copy_from_slice(&64u64.to_le_bytes());
        let _ = elf::needs(&file);
    }
}

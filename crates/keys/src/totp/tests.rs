//! The vectors of both RFCs, and what a used or mistyped code does.

use super::*;

const RFC_SEED: &[u8] = b"12345678901234567890";

fn seed() -> Seed {
    Seed::from_bytes(RFC_SEED).unwrap()
}

#[test]
fn the_counters_of_rfc_4226_appendix_d_give_its_codes() {
    let expected = [755_224, 287_082, 359_152, 969_429, 338_314, 254_676, 287_922, 162_583, 399_871, 520_489];
    for (counter, code) in (0_i64..).zip(expected) {
        assert_eq!(seed().code_of(counter), format!("{code:06}"));
    }
}

#[test]
fn the_times_of_rfc_6238_appendix_b_give_its_codes() {
    let expected = [
        (59, 94_287_082),
        (1_111_111_109, 7_081_804),
        (1_111_111_111, 14_050_471),
        (1_234_567_890, 89_005_924),
        (2_000_000_000, 69_279_037),
        (20_000_000_000, 65_353_130),
    ];
    for (second, code) in expected {
        let step = step_at(Timestamp::from_seconds(second));
        assert_eq!(seed().number_of(step) % 100_000_000, code, "at {second}");
    }
}

#[test]
fn a_code_matches_one_step_early_and_late_and_no_further() {
    let made_at = Timestamp::from_seconds(1_700_000_010);
    let (code, step) = (seed().code_at(made_at), step_at(made_at));
    for (seconds, expected) in [(-60, None), (-30, Some(step)), (0, Some(step)), (30, Some(step)), (60, None)]
    {
        let now = Timestamp::from_seconds(made_at.as_seconds() + seconds);
        assert_eq!(seed().matching_step(&code, now), expected, "{seconds} s later");
    }
}

#[test]
fn blanks_are_forgiven_and_rubbish_is_not() {
    let now = Timestamp::from_seconds(59);
    assert_eq!(seed().matching_step(" 287 082 ", now), Some(1));
    let with_more = format!("287082{}1", " ".repeat(26));
    for bad in ["", "28708", "2870822", "28708a", "２８７０８２", &with_more] {
        assert_eq!(seed().matching_step(bad, now), None, "{bad}");
    }
}

#[test]
fn a_seed_survives_base32_and_the_uri_names_account_and_issuer() {
    let base32 = seed().to_base32();
    assert_eq!(Seed::from_base32(&base32.expose().to_lowercase()), Some(seed()));
    let uri = seed().to_uri("Ever gate", "alice@example.com");
    let expected = "otpauth://totp/Ever%20gate:alice%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
                    &issuer=Ever%20gate&algorithm=SHA1&digits=6&period=30";
    assert_eq!(uri.expose(), expected);
    assert!(Seed::from_base32("AAAA").is_none());
    let spread = base32.expose().split("").collect::<Vec<_>>().join("   ");
    assert_eq!(Seed::from_base32(&spread), Some(seed()), "all of it, however many blanks");
    assert!(Seed::from_base32(&"A".repeat(104)).is_none(), "longer than 64 bytes");
}

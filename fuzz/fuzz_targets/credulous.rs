//! A fault for a fuzzer to find, which shows that it can: a length that is believed.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let [b'l', length, text @ ..] = bytes {
        let _ = std::hint::black_box(&text[..usize::from(*length)]);
    }
});

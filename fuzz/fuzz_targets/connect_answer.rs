#![no_main]

libfuzzer_sys::fuzz_target!(init: sandbox_agent::run_if_asked(), |bytes: &[u8]| {
    contract_tests::hostile::run("connect_answer", bytes);
});

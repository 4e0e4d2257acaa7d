//! Images that there are not, or that are none.

use std::sync::Arc;

use contract_tests::{images, trials};
use libtest_mimic::Trial;

use crate::house::House;

pub(crate) fn trials(house: &Arc<House>) -> Vec<Trial> {
    trials![house, "refusals": an_image_that_is_not_there, an_environment_that_is_too_long]
}

async fn an_image_that_is_not_there(house: Arc<House>) {
    for (image, code, says) in [
        (
            "localhost:1/nobody/has:this",
            "IMAGE_UNAVAILABLE",
            "localhost:1/nobody/has:this",
        ),
        ("UPPER:1", "IMAGE_NOT_FOUND", "not available"),
    ] {
        let error = house.create(image).await.unwrap_err();
        assert_eq!(error.error_code(), Some(code), "{error:?}");
        assert!(error.message().contains(says), "{error}");
    }
}

async fn an_environment_that_is_too_long(house: Arc<House>) {
    let long = format!("LONG={}", "x".repeat(70_000));
    house.import("long:1", images::one_program, &["--config.env", &long]);
    let error = house.create("long:1").await.unwrap_err();
    assert_eq!(error.error_code(), Some("IMAGE_TOO_LARGE"), "{error:?}");
    assert!(error.message().contains("65536"), "{error}");
}

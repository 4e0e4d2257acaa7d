//! How long an image is kept.

use std::sync::Arc;

use contract_tests::{images, trials};
use libtest_mimic::Trial;

use crate::house::{House, output};

pub(crate) fn trials(house: &Arc<House>) -> Vec<Trial> {
    trials![house, "lives": an_image_stays_while_a_session_lives]
}

async fn an_image_stays_while_a_session_lives(house: Arc<House>) {
    house.import("kept:1", images::busybox, &[]);
    let name = "kept:1".parse().unwrap();
    let session = house.session("kept:1").await;
    let listed = || {
        let all = house.images().list().unwrap();
        all.into_iter().find(|image| image.names.contains(&name))
    };
    assert!(listed().unwrap().in_use);
    house.images().remove(&name).unwrap();
    assert!(house.images().find(&name).unwrap().is_none());
    assert_eq!(
        output(&session, "cat /bin/busybox | wc -c")
            .await
            .trim()
            .parse::<u64>()
            .ok(),
        { Some(std::fs::metadata("/bin/busybox").unwrap().len()) }
    );
    session.delete().await.unwrap();
}

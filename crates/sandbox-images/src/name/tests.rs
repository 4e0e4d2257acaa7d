use proptest::prelude::*;

use super::ImageName;

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
fn short_names_mean_what_they_mean_to_docker() {
    let table = [
        ("python", "docker.io/library/python:latest", "python:latest"),
        ("python:3.11", "docker.io/library/python:3.11", "python:3.11"),
        ("ubuntu:22.04", "docker.io/library/ubuntu:22.04", "ubuntu:22.04"),
        (
            "library/python",
            "docker.io/library/python:latest",
            "python:latest",
        ),
        (
            "docker.io/python",
            "docker.io/library/python:latest",
            "python:latest",
        ),
        ("index.docker.io/a/b", "docker.io/a/b:latest", "a/b:latest"),
        (
            "grafana/grafana:11",
            "docker.io/grafana/grafana:11",
            "grafana/grafana:11",
        ),
        (
            "library/a/b",
            "docker.io/library/a/b:latest",
            "library/a/b:latest",
        ),
        (
            "docker.io/localhost/x",
            "docker.io/localhost/x:latest",
            "docker.io/localhost/x:latest",
        ),
        (
            "docker.io/foo.bar/x",
            "docker.io/foo.bar/x:latest",
            "docker.io/foo.bar/x:latest",
        ),
        ("localhost/x", "localhost/x:latest", "localhost/x:latest"),
        ("localhost:5000/x:1", "localhost:5000/x:1", "localhost:5000/x:1"),
        (
            "quay.io/a/b/c:V_1.2-x",
            "quay.io/a/b/c:V_1.2-x",
            "quay.io/a/b/c:V_1.2-x",
        ),
        ("Host/x", "host/x:latest", "host/x:latest"),
        ("10.0.0.1:80/x", "10.0.0.1:80/x:latest", "10.0.0.1:80/x:latest"),
        ("[::1]:5000/x", "[::1]:5000/x:latest", "[::1]:5000/x:latest"),
        (
            "[2001:db8::1]/x",
            "[2001:db8::1]/x:latest",
            "[2001:db8::1]/x:latest",
        ),
        ("a.b", "docker.io/library/a.b:latest", "a.b:latest"),
        (
            "a__b-c---d_e",
            "docker.io/library/a__b-c---d_e:latest",
            "a__b-c---d_e:latest",
        ),
    ];
    for (text, whole, familiar) in table {
        let name: ImageName = text.parse().unwrap();
        // A lone upper-case word is told to be a registry by its case, which is not kept.
        if text != "Host/x" {
            assert_eq!(whole.parse::<ImageName>().unwrap(), name, "{text}");
            assert_eq!(name.familiar(), familiar, "{text}");
        }
        assert_eq!(name.to_string(), whole, "{text}");
    }
}

#[test]
fn a_digest_takes_the_place_of_a_tag_or_stands_beside_it() {
    let name: ImageName = format!("python@{DIGEST}").parse().unwrap();
    assert_eq!(name.tag(), None);
    assert_eq!(name.digest().unwrap().to_string(), DIGEST);
    assert_eq!(name.to_string(), format!("docker.io/library/python@{DIGEST}"));

    let both: ImageName = format!("quay.io:443/a:1@{DIGEST}").parse().unwrap();
    assert_eq!(
        (both.registry(), both.repository(), both.tag()),
        ("quay.io:443", "a", Some("1"))
    );
    assert_eq!(both.to_string(), format!("quay.io:443/a:1@{DIGEST}"));
}

#[test]
fn refuses_what_is_no_name_and_says_why() {
    let long = "a".repeat(256);
    let table = [
        ("", "slashes"),
        ("/", "slashes"),
        ("a//b", "slashes"),
        ("a/", "slashes"),
        ("-a", "slashes"),
        ("a-", "slashes"),
        ("a..b", "slashes"),
        ("a___b", "slashes"),
        ("a._b", "slashes"),
        ("Python", "slashes"),
        ("pythön", "slashes"),
        ("a b", "slashes"),
        ("a\0", "slashes"),
        ("../etc/passwd", "host"),
        ("https://docker.io/x", "port"),
        ("a:", "a tag is"),
        ("a:.1", "a tag is"),
        ("a:-1", "a tag is"),
        ("a:1:2", "a tag is"),
        ("a@", "a digest is"),
        ("a@sha256:00", "a digest is"),
        ("a@sha512:00", "a digest is"),
        ("host:0/a", "port"),
        ("host:65536/a", "port"),
        ("host:+1/a", "port"),
        ("host:/a", "port"),
        (".host/a", "host"),
        ("-h.x/a", "host"),
        ("user@host.x/a", "a digest is"),
        ("[::g]:1/a", "host"),
        (&long, "at most 255"),
        (&format!("a:{}", &long[..129]), "a tag is"),
        (&format!("{}/a", "a.".repeat(200)), "at most"),
        (&DIGEST["sha256:".len()..], "64 hexadecimal"),
    ];
    for (text, rule) in table {
        let error = text.parse::<ImageName>().expect_err(text).to_string();
        assert!(error.contains(rule), "{text:?}: {error}");
    }
}

#[test]
fn an_error_shows_a_bounded_part_of_the_text_without_control_characters() {
    let error = format!("\u{1b}[31m{}", "é".repeat(100_000))
        .parse::<ImageName>()
        .unwrap_err()
        .to_string();
    assert!(error.len() < 600, "{}", error.len());
    assert!(!error.contains('\u{1b}'), "{error}");
}

proptest! {
    #[test]
    fn a_name_is_read_back_as_it_was_written(
        registry in prop::option::of("([a-z][a-z0-9]{0,8}\\.[a-z]{2,5}|localhost)(:[1-9][0-9]{0,3})?"),
        path in "[a-z0-9]{1,8}(([._]|__|-{1,3})[a-z0-9]{1,4}){0,2}(/[a-z0-9]{1,8}){0,3}",
        tag in prop::option::of("[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"),
        content in prop::option::of(any::<[u8; 32]>()),
    ) {
        // That would be a registry.
        let (first, _) = path.split_once('/').unwrap_or_default();
        prop_assume!(registry.is_some() || !first.contains('.'));
        let mut text = registry.map_or(path.clone(), |registry| format!("{registry}/{path}"));
        text.extend(tag.map(|tag| format!(":{tag}")));
        text.extend(content.map(|bytes| format!("@{}", crate::Digest::from(bytes))));
        let name: ImageName = text.parse().unwrap();
        prop_assert_eq!(&name.to_string().parse::<ImageName>().unwrap(), &name);
        prop_assert_eq!(&name.familiar().parse::<ImageName>().unwrap(), &name);
        prop_assert!(name.familiar().len() <= name.to_string().len());
    }

    #[test]
    fn no_text_is_a_panic(text in "\\PC*|[a-z0-9./:@_-]{0,40}") {
        if let Ok(name) = text.parse::<ImageName>() {
            prop_assert_eq!(name.to_string().parse::<ImageName>().unwrap(), name);
        }
    }
}

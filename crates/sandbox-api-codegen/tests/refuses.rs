//! What the generated client could not express is refused, and the error names the place.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests may fail as tests do"
)]

use sandbox_api_codegen::{Error, generate, open_enums};

/// A document with one operation, which takes `Order` and answers `Receipt`.
fn document(order: &str, receipt: &str, responses: &str) -> String {
    format!(
        "
openapi: 3.0.3
info: {{ title: Shop, version: 1.0.0 }}
paths:
  /orders:
    post:
      operationId: placeOrder
      requestBody:
        content:
          application/json: {{ schema: {{ $ref: '#/components/schemas/Order' }} }}
          multipart/form-data: {{ schema: {{ type: object }} }}
      responses:
        '200':
          description: Done.
          content:
            application/json: {{ schema: {{ $ref: '#/components/schemas/Receipt' }} }}
{responses}
components:
  schemas:
    Order: {{ type: object, properties: {{ item: {order} }} }}
    Receipt: {{ type: object, properties: {{ item: {receipt} }} }}
    Color: {{ type: string, enum: [red, green] }}
    Error: {{ type: object, properties: {{ code: {{ type: string }} }} }}
    Other: {{ type: object }}
"
    )
}

const PLAIN: &str = "{ type: string }";
const ERRORS: &str = "
        '400': { description: No., content: { application/json: { schema: { $ref: '#/components/schemas/Error' } } } }";

fn refusal(document: &str) -> String {
    match generate(document).unwrap_err() {
        error @ Error::Unsupported { .. } => error.to_string(),
        error => panic!("{error:?}"),
    }
}

#[test]
fn takes_a_plain_document_and_leaves_the_form_out() {
    let code = generate(&document(PLAIN, PLAIN, ERRORS)).unwrap();
    assert!(
        code.contains("pub async fn place_order") && !code.contains("multipart"),
        "{code}"
    );
    assert!(
        code.contains("400u16..=499u16") && code.contains("500u16..=599u16"),
        "{code}"
    );
}

#[test]
fn answers_are_read_by_the_hooks_and_only_the_contracts_headers_are_sent() {
    let code = generate(&document(PLAIN, PLAIN, ERRORS)).unwrap();
    assert_eq!(code.matches("crate::hooks::value(response)").count(), 1, "{code}");
    assert_eq!(
        code.matches("crate::hooks::refusal(response)").count(),
        2,
        "{code}"
    );
    assert!(
        !code.contains("from_response") && !code.contains("api-version") && !code.contains("header_map"),
        "{code}"
    );
}

#[test]
fn addresses_are_made_of_whole_segments() {
    let at = |path: &str| {
        let parameter = "parameters: [{ name: id, in: path, required: true, schema: { type: string } }]";
        document(PLAIN, PLAIN, ERRORS)
            .replace("  /orders:", &format!("  {path}:"))
            .replace(
                "      operationId: placeOrder",
                &format!("      operationId: placeOrder\n      {parameter}"),
            )
    };
    let code = generate(&at("/orders/{id}/parts")).unwrap();
    assert!(
        code.contains(r#"&["orders", &id.to_string(), "parts"]"#),
        "{code}"
    );
    let refusal = refusal(&at("/orders/{id}.json"));
    assert!(
        refusal.ends_with("an address that is made in an unknown way"),
        "{refusal}"
    );
}

#[test]
fn bounds_become_types() {
    let bounded = [
        (
            "{ type: integer, format: uint32, minimum: 2, maximum: 9 }",
            "crate::bounded::BoundedU32<2, 9>",
        ),
        (
            "{ type: integer, format: uint32, minimum: 0, maximum: 4294967295 }",
            "<u32>",
        ),
        ("{ type: integer, format: uint64, minimum: 0 }", "<u64>"),
        (
            r"{ type: string, maxLength: 9, pattern: '^[^\x00]*$' }",
            "crate::bounded::BoundedString<0, 9>",
        ),
        (
            r"{ type: string, nullable: true, minLength: 1, maxLength: 9, pattern: '^[^\x00]*$' }",
            "String<1, 9>",
        ),
    ];
    for (schema, expected) in bounded {
        let code = generate(&document(schema, PLAIN, ERRORS)).unwrap();
        assert!(code.contains(expected), "{schema}: {code}");
    }
}

#[test]
fn bounds_without_a_type_are_refused_by_name() {
    let unbounded = [
        "{ type: integer, format: uint32, minimum: 2 }",
        "{ type: integer, format: uint32, maximum: 2 }",
        "{ type: integer, format: uint64, minimum: 1 }",
        "{ type: integer, format: uint32, minimum: 2, maximum: 9, exclusiveMaximum: true }",
        "{ type: integer, format: uint32, minimum: 2, maximum: 9, multipleOf: 2 }",
        "{ type: integer, format: uint32, minimum: 2, maximum: 9, default: 10 }",
        "{ type: integer, format: uint32, minimum: -2, maximum: 9 }",
        "{ type: integer, minimum: 2, maximum: 9 }",
        "{ type: string, maxLength: 9 }",
        "{ type: string, pattern: '^[a-z]+$', maxLength: 9 }",
        r"{ type: string, pattern: '^[^\x00]*$' }",
        "{ type: number, minimum: 0.5 }",
        "{ type: array, maxItems: 3, items: { type: string } }",
        "{ type: object, maxProperties: 3 }",
    ];
    for schema in unbounded {
        let refusal = refusal(&document(schema, PLAIN, ERRORS));
        assert!(
            refusal.starts_with("components.schemas.Order.item: "),
            "{schema}: {refusal}"
        );
    }
}

#[test]
fn enumerations_in_answers_are_open_and_those_in_requests_closed() {
    let color = "{ $ref: '#/components/schemas/Color' }";
    let answered = document(PLAIN, color, ERRORS);
    assert!(generate(&answered).unwrap().contains("crate::open::Color"));
    assert_eq!(open_enums(&answered).unwrap()["Color"], ["red", "green"]);

    let asked = document(color, PLAIN, ERRORS);
    assert!(generate(&asked).unwrap().contains("pub enum Color"));
    assert!(open_enums(&asked).unwrap().is_empty());

    assert!(refusal(&document(color, color, ERRORS)).starts_with("Color: "));
}

#[test]
fn answers_the_generator_cannot_take_are_refused() {
    let other = ERRORS
        .replace("'400'", "'500'")
        .replace("schemas/Error", "schemas/Other");
    let refused = [
        ("", "without errors"),
        (&format!("{ERRORS}{other}"), "a second kind of error body"),
        ("        '400': { description: No. }", "without a named body"),
        (
            &format!("{ERRORS}\n        '204': {{ description: Nothing. }}"),
            "2 kinds of success",
        ),
        (
            &format!("{ERRORS}\n        default: {{ description: Else. }}"),
            "a default response",
        ),
    ];
    for (responses, expected) in refused {
        let refusal = refusal(&document(PLAIN, PLAIN, responses));
        assert!(
            refusal.starts_with("post /orders") && refusal.ends_with(expected),
            "{refusal}"
        );
    }
}

#[test]
fn what_is_no_document_is_refused() {
    for text in ["", "just text", "openapi: 3.0.3", "{", "a: [\n"] {
        assert!(matches!(generate(text), Err(Error::Document(_))), "{text:?}");
    }
    let newer = document(PLAIN, PLAIN, ERRORS).replace("3.0.3", "3.1.0");
    assert!(matches!(generate(&newer), Err(Error::Generate(_))));
}

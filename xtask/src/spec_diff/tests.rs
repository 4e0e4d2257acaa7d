//! Every sort of change, made to one small document, in both directions: what is added by the one is removed by the
//! other, and each direction has its own verdict.

use serde_json::{Value, json};

use super::{Difference, document::Document};

const SHOP: &str = include_str!("fixtures/shop.yaml");

/// What is done to the document.
enum Edit {
    /// Sets what is there, or adds it to an object; `-` at the end adds to an array.
    Set(&'static str, Value),
    Remove(&'static str),
    /// Moves what is there to another name in the same object.
    Rename(&'static str, &'static str),
}
use Edit::{Remove, Rename, Set};

fn split(pointer: &str) -> (&str, String) {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    (parent, name.replace("~1", "/"))
}

fn object<'a>(document: &'a mut Value, pointer: &str) -> &'a mut serde_json::Map<String, Value> {
    let value = document
        .pointer_mut(pointer)
        .unwrap_or_else(|| panic!("there is no {pointer}"));
    value.as_object_mut().unwrap()
}

fn edited(edits: Vec<Edit>) -> String {
    let mut document: Value = serde_yaml_ng::from_str(SHOP).unwrap();
    for edit in edits {
        match edit {
            Set(pointer, value) => {
                let (parent, name) = split(pointer);
                match document
                    .pointer_mut(parent)
                    .unwrap_or_else(|| panic!("there is no {parent}"))
                {
                    Value::Array(values) if name == "-" => values.push(value),
                    Value::Array(values) => values[name.parse::<usize>().unwrap()] = value,
                    parent => {
                        parent.as_object_mut().unwrap().insert(name, value);
                    }
                }
            }
            Remove(pointer) => {
                let (parent, name) = split(pointer);
                match document
                    .pointer_mut(parent)
                    .unwrap_or_else(|| panic!("there is no {parent}"))
                {
                    Value::Array(values) => drop(values.remove(name.parse().unwrap())),
                    parent => {
                        let removed = parent.as_object_mut().unwrap().remove(&name);
                        removed.unwrap_or_else(|| panic!("there is no {pointer}"));
                    }
                }
            }
            Rename(pointer, new) => {
                let (parent, name) = split(pointer);
                let object = object(&mut document, parent);
                let value = object
                    .remove(&name)
                    .unwrap_or_else(|| panic!("there is no {pointer}"));
                object.insert(new.to_owned(), value);
            }
        }
    }
    document.to_string()
}

fn difference(old: &str, new: &str) -> Difference {
    Difference::between(&Document::parse(old).unwrap(), &Document::parse(new).unwrap())
}

fn lines(difference: &Difference) -> Vec<String> {
    difference.changes.iter().map(ToString::to_string).collect()
}

/// Asserts what the edits change, and what undoing them changes.
#[track_caller]
fn assert_changes<const N: usize, const M: usize>(edits: Vec<Edit>, forth: [&str; N], back: [&str; M]) {
    let new = edited(edits);
    assert_eq!(lines(&difference(SHOP, &new)), forth, "forth");
    assert_eq!(lines(&difference(&new, SHOP)), back, "back");
}

#[test]
fn nothing_has_changed_in_what_is_only_said() {
    let edits = vec![
        Set("/info/description", json!("More words.")),
        Set("/paths/~1orders/get/summary", json!("List")),
        Set("/components/schemas/Order/properties/id/example", json!("7")),
        Set("/components/schemas/Order/properties/id/x-order", json!(1)),
    ];
    assert_changes(edits, [], []);
}

#[test]
fn operations_come_and_go() {
    assert_changes(
        vec![Set(
            "/paths/~1orders/delete",
            json!({ "operationId": "cancelAll", "responses": { "204": { "description": "Done." } } }),
        )],
        ["compatible  DELETE /orders: it is added (nobody calls it yet)"],
        ["BREAKS clients  DELETE /orders: it is removed (they call it)"],
    );
}

#[test]
fn paths_come_and_go() {
    assert_changes(
        vec![Set(
            "/paths/~1bills",
            json!({ "get": { "operationId": "listBills", "responses": { "204": { "description": "Done." } } } }),
        )],
        ["compatible  GET /bills: it is added (nobody calls it yet)"],
        ["BREAKS clients  GET /bills: it is removed (they call it)"],
    );
}

#[test]
fn an_operation_with_the_same_id_elsewhere_has_moved() {
    assert_changes(
        vec![Rename("/paths/~1health", "/status")],
        [
            "BREAKS clients and servers  GET /health: it is GET /status now (the one asks where the other does not answer)",
        ],
        [
            "BREAKS clients and servers  GET /status: it is GET /health now (the one asks where the other does not answer)",
        ],
    );
}

#[test]
fn another_method_is_another_place() {
    assert_changes(
        vec![Rename("/paths/~1orders~1{id}/delete", "post")],
        [
            "BREAKS clients and servers  DELETE /orders/{id}: it is POST /orders/{id} now (the one asks where the other does not answer)",
        ],
        [
            "BREAKS clients and servers  POST /orders/{id}: it is DELETE /orders/{id} now (the one asks where the other does not answer)",
        ],
    );
}

#[test]
fn operation_ids_are_names_in_generated_clients() {
    assert_changes(
        vec![Set("/paths/~1orders/get/operationId", json!("orders"))],
        [
            "BREAKS clients  GET /orders: operationId was listOrders and is orders (generated ones call it by this name)",
        ],
        [
            "BREAKS clients  GET /orders: operationId was orders and is listOrders (generated ones call it by this name)",
        ],
    );
}

#[test]
fn optional_parameters_come_and_go() {
    assert_changes(
        vec![Set(
            "/paths/~1orders/get/parameters/-",
            json!({ "name": "offset", "in": "query", "schema": { "type": "integer" } }),
        )],
        ["compatible  GET /orders query parameter offset: it is added (it may be left out)"],
        [
            "BREAKS clients  GET /orders query parameter offset: it is removed (what they send may be refused now)",
        ],
    );
}

#[test]
fn required_parameters_come_and_go() {
    assert_changes(
        vec![Set(
            "/paths/~1orders/get/parameters/-",
            json!({ "name": "shop", "in": "query", "required": true, "schema": { "type": "string" } }),
        )],
        ["BREAKS clients  GET /orders query parameter shop: it is added and required (they do not send it)"],
        [
            "BREAKS clients  GET /orders query parameter shop: it is removed (what they send may be refused now)",
        ],
    );
}

#[test]
fn a_parameter_becomes_required() {
    assert_changes(
        vec![Set("/paths/~1orders/get/parameters/0/required", json!(true))],
        [
            "BREAKS clients  GET /orders query parameter limit: it is required now (what they send may be refused now)",
        ],
        [
            "compatible  GET /orders query parameter limit: it may be left out now (what was accepted still is)",
        ],
    );
}

#[test]
fn a_parameter_is_renamed() {
    assert_changes(
        vec![Set("/paths/~1orders/get/parameters/0/name", json!("count"))],
        [
            "BREAKS clients and servers  GET /orders query parameter limit: it is named count now (the one does not know the other's name)",
        ],
        [
            "BREAKS clients and servers  GET /orders query parameter count: it is named limit now (the one does not know the other's name)",
        ],
    );
}

#[test]
fn the_name_of_a_path_parameter_is_not_sent() {
    assert_changes(
        vec![
            Rename("/paths/~1orders~1{id}", "/orders/{orderId}"),
            Set("/paths/~1orders~1{orderId}/parameters/0/name", json!("orderId")),
        ],
        [
            "compatible  DELETE /orders/{id} path parameter id: it is named orderId now (the name of a path parameter is not sent)",
        ],
        [
            "compatible  DELETE /orders/{orderId} path parameter orderId: it is named id now (the name of a path parameter is not sent)",
        ],
    );
}

#[test]
fn a_parameter_goes_elsewhere() {
    assert_changes(
        vec![Set("/paths/~1orders/get/parameters/0/in", json!("header"))],
        [
            "BREAKS clients  GET /orders query parameter limit: it is removed (what they send may be refused now)",
            "compatible  GET /orders header parameter limit: it is added (it may be left out)",
        ],
        [
            "BREAKS clients  GET /orders header parameter limit: it is removed (what they send may be refused now)",
            "compatible  GET /orders query parameter limit: it is added (it may be left out)",
        ],
    );
}

#[test]
fn a_parameter_is_written_differently() {
    assert_changes(
        vec![Set(
            "/paths/~1orders/get/parameters/0/style",
            json!("spaceDelimited"),
        )],
        [
            "BREAKS clients and servers  GET /orders query parameter limit: style has changed (the one sends what the other does not accept)",
        ],
        [
            "BREAKS clients and servers  GET /orders query parameter limit: style has changed (the one sends what the other does not accept)",
        ],
    );
}

#[test]
fn bounds_of_parameters_are_lowered_and_raised() {
    assert_changes(
        vec![
            Set("/paths/~1orders/get/parameters/0/schema/maximum", json!(50)),
            Set("/paths/~1orders/get/parameters/0/schema/minimum", json!(0)),
        ],
        [
            "BREAKS clients  GET /orders query parameter limit: maximum was 100 and is 50 (what they send may be refused now)",
            "compatible  GET /orders query parameter limit: minimum was 1 and is 0 (what was accepted still is)",
        ],
        [
            "BREAKS clients  GET /orders query parameter limit: minimum was 0 and is 1 (what they send may be refused now)",
            "compatible  GET /orders query parameter limit: maximum was 50 and is 100 (what was accepted still is)",
        ],
    );
}

#[test]
fn defaults_of_parameters_change() {
    assert_changes(
        vec![Set("/paths/~1orders/get/parameters/0/schema/default", json!(20))],
        [
            "BREAKS clients  GET /orders query parameter limit: default was 50 and is 20 (leaving it out means something else now)",
        ],
        [
            "BREAKS clients  GET /orders query parameter limit: default was 20 and is 50 (leaving it out means something else now)",
        ],
    );
}

#[test]
fn defaults_come_and_go() {
    assert_changes(
        vec![Remove("/paths/~1orders/get/parameters/0/schema/default")],
        [
            "BREAKS clients  GET /orders query parameter limit: default was 50 and is not given (leaving it out means something else now)",
        ],
        [
            "compatible  GET /orders query parameter limit: default was not given and is 50 (what was meant by leaving it out was not said before)",
        ],
    );
}

#[test]
fn optional_properties_of_requests_come_and_go() {
    assert_changes(
        vec![Set(
            "/components/schemas/NewOrder/properties/gift",
            json!({ "type": "boolean" }),
        )],
        ["compatible  request NewOrder.gift: it is added (it may be left out)"],
        ["BREAKS clients  request NewOrder.gift: it is removed (what they send may be refused now)"],
    );
}

#[test]
fn required_properties_of_requests_come_and_go() {
    assert_changes(
        vec![
            Set(
                "/components/schemas/NewOrder/properties/gift",
                json!({ "type": "boolean" }),
            ),
            Set("/components/schemas/NewOrder/required/-", json!("gift")),
        ],
        ["BREAKS clients  request NewOrder.gift: it is added and required (they do not send it)"],
        ["BREAKS clients  request NewOrder.gift: it is removed (what they send may be refused now)"],
    );
}

#[test]
fn a_property_of_a_request_becomes_required() {
    assert_changes(
        vec![Set("/components/schemas/NewOrder/required/-", json!("count"))],
        ["BREAKS clients  request NewOrder.count: it is required now (what they send may be refused now)"],
        ["compatible  request NewOrder.count: it may be left out now (what was accepted still is)"],
    );
}

#[test]
fn a_property_is_renamed() {
    assert_changes(
        vec![Rename("/components/schemas/NewOrder/properties/count", "amount")],
        [
            "BREAKS clients and servers  request NewOrder.count: it is named amount now (the one does not know the other's name)",
        ],
        [
            "BREAKS clients and servers  request NewOrder.amount: it is named count now (the one does not know the other's name)",
        ],
    );
}

#[test]
fn bounds_of_requests_change() {
    assert_changes(
        vec![
            Set(
                "/components/schemas/NewOrder/properties/item/maxLength",
                json!(32),
            ),
            Set("/components/schemas/NewOrder/properties/count/minimum", json!(0)),
            Remove("/components/schemas/NewOrder/properties/item/minLength"),
        ],
        [
            "BREAKS clients  request NewOrder.item: maxLength was 64 and is 32 (what they send may be refused now)",
            "compatible  request NewOrder.count: minimum was 1 and is 0 (what was accepted still is)",
            "compatible  request NewOrder.item: minLength was 1 and is not given (what was accepted still is)",
        ],
        [
            "BREAKS clients  request NewOrder.count: minimum was 0 and is 1 (what they send may be refused now)",
            "BREAKS clients  request NewOrder.item: minLength was not given and is 1 (what they send may be refused now)",
            "compatible  request NewOrder.item: maxLength was 32 and is 64 (what was accepted still is)",
        ],
    );
}

#[test]
fn patterns_change() {
    assert_changes(
        vec![Set(
            "/components/schemas/NewOrder/properties/item/pattern",
            json!("^[A-Z]*$"),
        )],
        [
            r#"BREAKS clients and servers  request NewOrder.item: pattern was "^[a-z]*$" and is "^[A-Z]*$" (the one sends what the other does not accept)"#,
        ],
        [
            r#"BREAKS clients and servers  request NewOrder.item: pattern was "^[A-Z]*$" and is "^[a-z]*$" (the one sends what the other does not accept)"#,
        ],
    );
}

#[test]
fn null_in_requests() {
    assert_changes(
        vec![Remove("/components/schemas/NewOrder/properties/note/nullable")],
        [
            "BREAKS clients  request NewOrder.note: it cannot be null any more (what they send may be refused now)",
        ],
        ["compatible  request NewOrder.note: it may be null now (what was accepted still is)"],
    );
}

#[test]
fn objects_of_requests_open_and_close() {
    assert_changes(
        vec![Remove("/components/schemas/NewOrder/additionalProperties")],
        ["compatible  request NewOrder: it may have other properties now (what was accepted still is)"],
        [
            "BREAKS clients  request NewOrder: it has no other properties any more (what they send may be refused now)",
        ],
    );
}

#[test]
fn values_of_enumerations_in_requests() {
    assert_changes(
        vec![Set("/components/schemas/Color/enum", json!(["red", "blue"]))],
        [
            r#"BREAKS clients  request Color: the value "green" is removed (what they send may be refused now)"#,
            r#"compatible  request Color: the value "blue" is added (what was accepted still is)"#,
        ],
        [
            r#"BREAKS clients  request Color: the value "blue" is removed (what they send may be refused now)"#,
            r#"compatible  request Color: the value "green" is added (what was accepted still is)"#,
        ],
    );
}

#[test]
fn types_change() {
    assert_changes(
        vec![Set(
            "/components/schemas/NewOrder/properties/item/type",
            json!("boolean"),
        )],
        [
            r#"BREAKS clients and servers  request NewOrder.item: type was "string" and is "boolean" (the one sends what the other does not accept)"#,
        ],
        [
            r#"BREAKS clients and servers  request NewOrder.item: type was "boolean" and is "string" (the one sends what the other does not accept)"#,
        ],
    );
}

#[test]
fn integers_become_numbers() {
    assert_changes(
        vec![Set(
            "/components/schemas/NewOrder/properties/count/type",
            json!("number"),
        )],
        [
            r#"compatible  request NewOrder.count: type was "integer" and is "number" (what was accepted still is)"#,
        ],
        [
            r#"BREAKS clients  request NewOrder.count: type was "number" and is "integer" (what they send may be refused now)"#,
        ],
    );
}

#[test]
fn formats_widen_and_narrow() {
    assert_changes(
        vec![Set(
            "/components/schemas/NewOrder/properties/count/format",
            json!("uint64"),
        )],
        [
            r#"compatible  request NewOrder.count: format was "uint32" and is "uint64" (what was accepted still is)"#,
        ],
        [
            r#"BREAKS clients  request NewOrder.count: format was "uint64" and is "uint32" (what they send may be refused now)"#,
        ],
    );
}

#[test]
fn a_bound_that_the_format_has_anyway_changes_nothing() {
    let old = SHOP.replacen(
        "count: { type: integer, format: uint32, minimum: 1, maximum: 10 }",
        "count: { type: integer, format: uint32 }",
        1,
    );
    assert_ne!(old, SHOP);
    let stated = |bounds: &str| {
        old.replacen(
            "count: { type: integer, format: uint32 }",
            &format!("count: {{ type: integer, format: uint32, {bounds} }}"),
            1,
        )
    };
    let new = stated("minimum: 0, maximum: 4294967295");
    assert!(lines(&difference(&old, &new)).is_empty());
    assert!(lines(&difference(&new, &old)).is_empty());
    assert_eq!(lines(&difference(&old, &stated("minimum: 1"))).len(), 1);
}

#[test]
fn formats_change() {
    assert_changes(
        vec![Set(
            "/components/schemas/Order/properties/id/format",
            json!("uri"),
        )],
        [
            r#"BREAKS clients and servers  answer Order.id: format was "uuid" and is "uri" (the one answers what the other does not expect)"#,
        ],
        [
            r#"BREAKS clients and servers  answer Order.id: format was "uri" and is "uuid" (the one answers what the other does not expect)"#,
        ],
    );
}

#[test]
fn formats_come_and_go() {
    assert_changes(
        vec![Remove("/components/schemas/Order/properties/id/format")],
        [
            r#"BREAKS clients  answer Order.id: format was "uuid" and is not given (they may get what they were not made for)"#,
        ],
        [
            r#"BREAKS servers  answer Order.id: format was not given and is "uuid" (what they answer may be refused by newer clients)"#,
        ],
    );
}

#[test]
fn optional_properties_of_answers_come_and_go() {
    assert_changes(
        vec![Set(
            "/components/schemas/Order/properties/price",
            json!({ "type": "number" }),
        )],
        ["compatible  answer Order.price: it is added (clients ignore what they do not know)"],
        ["compatible  answer Order.price: it is removed (clients had to do without it before)"],
    );
}

#[test]
fn required_properties_of_answers_come_and_go() {
    assert_changes(
        vec![
            Set(
                "/components/schemas/Order/properties/price",
                json!({ "type": "number" }),
            ),
            Set("/components/schemas/Order/required/-", json!("price")),
        ],
        [
            "BREAKS servers  answer Order.price: it is added and required (they do not answer it, and newer clients rely on it)",
        ],
        ["BREAKS clients  answer Order.price: it is removed (they rely on getting it)"],
    );
}

#[test]
fn a_property_of_an_answer_becomes_required() {
    assert_changes(
        vec![Set("/components/schemas/Order/required/-", json!("note"))],
        [
            "BREAKS servers  answer Order.note: it is required now (what they answer may be refused by newer clients)",
        ],
        [
            "BREAKS clients  answer Order.note: it may be left out now (they may get what they were not made for)",
        ],
    );
}

#[test]
fn bounds_of_answers_change() {
    assert_changes(
        vec![
            Set("/components/schemas/Order/properties/count/maximum", json!(20)),
            Set(
                "/paths/~1orders/get/responses/200/content/application~1json/schema/maxItems",
                json!(50),
            ),
        ],
        [
            "BREAKS servers  GET /orders 200: maxItems was 100 and is 50 (what they answer may be refused by newer clients)",
            "BREAKS clients  answer Order.count: maximum was 10 and is 20 (they may get what they were not made for)",
        ],
        [
            "BREAKS clients  GET /orders 200: maxItems was 50 and is 100 (they may get what they were not made for)",
            "BREAKS servers  answer Order.count: maximum was 20 and is 10 (what they answer may be refused by newer clients)",
        ],
    );
}

#[test]
fn null_in_answers() {
    assert_changes(
        vec![Set(
            "/components/schemas/Order/properties/id/nullable",
            json!(true),
        )],
        ["BREAKS clients  answer Order.id: it may be null now (they may get what they were not made for)"],
        [
            "BREAKS servers  answer Order.id: it cannot be null any more (what they answer may be refused by newer clients)",
        ],
    );
}

#[test]
fn enumerations_in_answers_are_open() {
    assert_changes(
        vec![Set("/components/schemas/State/enum", json!(["open", "lost"]))],
        [
            r#"compatible  answer Order.state: the value "lost" is added (clients keep values they do not know)"#,
            r#"compatible  answer Order.state: the value "sent" is removed (clients keep values they do not know)"#,
        ],
        [
            r#"compatible  answer Order.state: the value "lost" is removed (clients keep values they do not know)"#,
            r#"compatible  answer Order.state: the value "sent" is added (clients keep values they do not know)"#,
        ],
    );
}

#[test]
fn enumerations_come_and_go() {
    assert_changes(
        vec![
            Remove("/components/schemas/Color/enum"),
            Remove("/components/schemas/State/enum"),
        ],
        [
            r#"compatible  answer Order.state: enum was ["open","sent"] and is not given (clients keep values they do not know)"#,
            r#"compatible  request Color: enum was ["red","green"] and is not given (what was accepted still is)"#,
        ],
        [
            r#"BREAKS clients  request Color: enum was not given and is ["red","green"] (what they send may be refused now)"#,
            r#"compatible  answer Order.state: enum was not given and is ["open","sent"] (clients keep values they do not know)"#,
        ],
    );
}

#[test]
fn defaults_of_answers_change() {
    assert_changes(
        vec![Set(
            "/components/schemas/Order/properties/count/default",
            json!(1),
        )],
        [
            "compatible  answer Order.count: default was not given and is 1 (what was meant by leaving it out was not said before)",
        ],
        [
            "BREAKS servers  answer Order.count: default was 1 and is not given (newer clients read their leaving it out differently)",
        ],
    );
}

#[test]
fn errors_come_and_go() {
    assert_changes(
        vec![Set(
            "/paths/~1orders/post/responses/503",
            json!({ "description": "Later." }),
        )],
        ["compatible  POST /orders 503: this error is added (clients take every error for one)"],
        ["compatible  POST /orders 503: this error is removed (clients take every error for one)"],
    );
}

#[test]
fn successes_come_and_go() {
    assert_changes(
        vec![Set(
            "/paths/~1orders/get/responses/206",
            json!({ "description": "Some." }),
        )],
        ["BREAKS clients  GET /orders 206: this success is added (they do not expect it)"],
        ["BREAKS clients  GET /orders 206: this success is removed (they expect it)"],
    );
}

#[test]
fn a_success_has_another_status() {
    assert_changes(
        vec![Rename("/paths/~1orders/post/responses/201", "200")],
        [
            "BREAKS clients and servers  POST /orders 201: it is 200 now (the one does not know the other's status)",
        ],
        [
            "BREAKS clients and servers  POST /orders 200: it is 201 now (the one does not know the other's status)",
        ],
    );
}

#[test]
fn media_types_of_requests_come_and_go() {
    assert_changes(
        vec![Remove(
            "/components/requestBodies/NewOrder/content/application~1xml",
        )],
        ["BREAKS clients  POST /orders body: the media type application/xml is removed (they may send it)"],
        ["compatible  POST /orders body: the media type application/xml is added (nobody has to use it)"],
    );
}

#[test]
fn media_types_of_answers_come_and_go() {
    assert_changes(
        vec![Rename(
            "/paths/~1orders/post/responses/201/content/application~1json",
            "application/cbor",
        )],
        [
            "BREAKS clients  POST /orders 201: the media type application/json is removed (they may ask for nothing else)",
            "compatible  POST /orders 201: the media type application/cbor is added (nobody has to use it)",
        ],
        [
            "BREAKS clients  POST /orders 201: the media type application/cbor is removed (they may ask for nothing else)",
            "compatible  POST /orders 201: the media type application/json is added (nobody has to use it)",
        ],
    );
}

#[test]
fn bodies_come_and_go() {
    assert_changes(
        vec![Remove("/paths/~1orders/post/requestBody")],
        ["BREAKS clients  POST /orders: it takes no body any more (what they send may be refused now)"],
        ["BREAKS clients  POST /orders: it needs a body now (they do not send it)"],
    );
}

#[test]
fn a_body_may_be_left_out() {
    assert_changes(
        vec![Remove("/components/requestBodies/NewOrder/required")],
        ["compatible  POST /orders: the body may be left out now (what was accepted still is)"],
        ["BREAKS clients  POST /orders: the body is required now (they may leave it out)"],
    );
}

#[test]
fn security_comes_and_goes() {
    assert_changes(
        vec![Set("/paths/~1health/get/security", json!([{ "token": [] }]))],
        ["BREAKS clients  GET /health: it needs authentication now (they may show nothing)"],
        ["compatible  GET /health: it needs no authentication any more (what was accepted still is)"],
    );
}

#[test]
fn another_scheme_is_another_security() {
    assert_changes(
        vec![
            Set("/components/securitySchemes/token/scheme", json!("basic")),
            Set("/paths/~1orders~1{id}/delete/security", json!([])),
        ],
        [
            "BREAKS clients  GET /orders: token is not accepted any more (they may show nothing else)",
            "BREAKS clients  POST /orders: token is not accepted any more (they may show nothing else)",
            "compatible  DELETE /orders/{id}: it needs no authentication any more (what was accepted still is)",
            "compatible  GET /orders: token is accepted (what was accepted still is)",
            "compatible  POST /orders: token is accepted (what was accepted still is)",
        ],
        [
            "BREAKS clients  DELETE /orders/{id}: it needs authentication now (they may show nothing)",
            "BREAKS clients  GET /orders: token is not accepted any more (they may show nothing else)",
            "BREAKS clients  POST /orders: token is not accepted any more (they may show nothing else)",
            "compatible  GET /orders: token is accepted (what was accepted still is)",
            "compatible  POST /orders: token is accepted (what was accepted still is)",
        ],
    );
}

#[test]
fn a_second_scheme_is_accepted() {
    assert_changes(
        vec![
            Set(
                "/components/securitySchemes/key",
                json!({ "type": "apiKey", "in": "header", "name": "X-Key" }),
            ),
            Set(
                "/paths/~1orders/get/security",
                json!([{ "token": [] }, { "key": [] }]),
            ),
        ],
        ["compatible  GET /orders: key is accepted (what was accepted still is)"],
        ["BREAKS clients  GET /orders: key is not accepted any more (they may show nothing else)"],
    );
}

#[test]
fn headers_of_answers_come_and_go() {
    assert_changes(
        vec![
            Set(
                "/paths/~1orders/get/responses/200/headers/X-Pages",
                json!({ "required": true, "schema": { "type": "integer" } }),
            ),
            Set(
                "/paths/~1orders/get/responses/200/headers/X-Hint",
                json!({ "schema": { "type": "string" } }),
            ),
        ],
        [
            "BREAKS servers  GET /orders 200 header X-Pages: it is added and required (they do not answer it, and newer clients rely on it)",
            "compatible  GET /orders 200 header X-Hint: it is added (clients ignore what they do not know)",
        ],
        [
            "BREAKS clients  GET /orders 200 header X-Pages: it is removed (they rely on getting it)",
            "compatible  GET /orders 200 header X-Hint: it is removed (clients had to do without it before)",
        ],
    );
}

#[test]
fn a_header_of_an_answer_may_be_left_out() {
    assert_changes(
        vec![Set(
            "/paths/~1orders/get/responses/200/headers/X-Total/required",
            json!(false),
        )],
        ["BREAKS clients  GET /orders 200 header X-Total: it may be left out now (they rely on getting it)"],
        [
            "BREAKS servers  GET /orders 200 header X-Total: it is required now (they may leave it out, and newer clients rely on it)",
        ],
    );
}

#[test]
fn base_urls_come_and_go() {
    assert_changes(
        vec![Set("/servers/0/url", json!("https://shop.example/v2"))],
        [
            "BREAKS clients  servers: https://shop.example/v1 is removed (they may use it)",
            "compatible  servers: https://shop.example/v2 is added (nobody uses it yet)",
        ],
        [
            "BREAKS clients  servers: https://shop.example/v2 is removed (they may use it)",
            "compatible  servers: https://shop.example/v1 is added (nobody uses it yet)",
        ],
    );
}

#[test]
fn a_type_becomes_alternatives() {
    assert_changes(
        vec![Set(
            "/components/schemas/NewOrder/properties/item",
            json!({ "oneOf": [{ "type": "string" }] }),
        )],
        [
            r#"BREAKS clients and servers  request NewOrder.item: type was "string" and is not given (the one sends what the other does not accept)"#,
        ],
        [
            r#"BREAKS clients and servers  request NewOrder.item: type was not given and is "string" (the one sends what the other does not accept)"#,
        ],
    );
}

#[test]
fn what_nobody_thought_of_is_breaking() {
    assert_changes(
        vec![Set(
            "/components/schemas/NewOrder/properties/item/contentEncoding",
            json!("base64"),
        )],
        [
            "BREAKS clients and servers  request NewOrder.item: contentEncoding has changed (this program does not know what it means)",
        ],
        [
            "BREAKS clients and servers  request NewOrder.item: contentEncoding has changed (this program does not know what it means)",
        ],
    );
}

#[test]
fn maps_are_compared_by_their_values() {
    assert_changes(
        vec![Set(
            "/components/schemas/NewOrder/properties/labels/additionalProperties/maxLength",
            json!(8),
        )],
        [
            "BREAKS clients  request NewOrder.labels.*: maxLength was 9 and is 8 (what they send may be refused now)",
        ],
        ["compatible  request NewOrder.labels.*: maxLength was 8 and is 9 (what was accepted still is)"],
    );
}

#[test]
fn maps_become_free() {
    assert_changes(
        vec![Set(
            "/components/schemas/NewOrder/properties/labels/additionalProperties",
            json!(true),
        )],
        [
            r#"compatible  request NewOrder.labels.*: type was "string" and is not given (what was accepted still is)"#,
        ],
        [
            r#"BREAKS clients  request NewOrder.labels.*: type was not given and is "string" (what they send may be refused now)"#,
        ],
    );
}

#[test]
fn alternatives_are_compared_one_by_one() {
    assert_changes(
        vec![
            Set(
                "/components/schemas/NewOrder/properties/size/oneOf/0/maxLength",
                json!(2),
            ),
            Set(
                "/components/schemas/NewOrder/properties/size/oneOf/-",
                json!({ "type": "boolean" }),
            ),
        ],
        [
            "BREAKS clients  request NewOrder.size oneOf 0: maxLength was 3 and is 2 (what they send may be refused now)",
            "compatible  request NewOrder.size: 2 alternatives of oneOf are 3 now (what was accepted still is)",
        ],
        [
            "BREAKS clients  request NewOrder.size: 3 alternatives of oneOf are 2 now (what they send may be refused now)",
            "compatible  request NewOrder.size oneOf 0: maxLength was 2 and is 3 (what was accepted still is)",
        ],
    );
}

#[test]
fn raising_the_major_version_allows_everything() {
    let removal = || Remove("/paths/~1orders/post");
    let version = |version: &str| Set("/info/version", json!(version));
    assert!(difference(SHOP, &edited(vec![removal()])).is_forbidden());
    assert!(difference(SHOP, &edited(vec![removal(), version("1.3.0")])).is_forbidden());
    assert!(!difference(SHOP, &edited(vec![removal(), version("2.0.0")])).is_forbidden());
    assert!(!difference(SHOP, &edited(vec![version("1.3.0")])).is_forbidden());
}

#[test]
fn where_a_schema_is_written_does_not_matter() {
    let document: Value = serde_yaml_ng::from_str(SHOP).unwrap();
    let written_out = document.pointer("/components/schemas/NewOrder").unwrap().clone();
    let edits = vec![
        Set(
            "/paths/~1orders/post/requestBody",
            json!({
                "required": true,
                "content": {
                    "application/json": { "schema": written_out },
                    "application/xml": { "schema": { "$ref": "#/components/schemas/NewOrder" } },
                },
            }),
        ),
        Set(
            "/components/schemas/Order/properties/state",
            json!({ "type": "string", "enum": ["open", "sent"] }),
        ),
    ];
    assert_changes(edits, [], []);
}

#[test]
fn statuses_without_quotes_are_read() {
    let new = SHOP.replace("'201':", "201:");
    assert!(new != SHOP && lines(&difference(SHOP, &new)).is_empty());
}

#[test]
fn what_cannot_be_compared_is_refused() {
    for (text, reason) in [
        ("swagger: '2.0'", "not an OpenAPI 3.0 document"),
        ("openapi: 3.1.0", "not an OpenAPI 3.0 document"),
        ("a: [", "not YAML"),
        (
            "{ openapi: 3.0.0, paths: { /a: { $ref: '#/components/a' } } }",
            "#/components/a leads nowhere in this document",
        ),
        (
            "{ openapi: 3.0.0, paths: { /a: { $ref: 'other.yaml' } } }",
            "other.yaml leads nowhere in this document",
        ),
        (
            "{ openapi: 3.0.0, a: { $ref: '#/a' } }",
            "#/a leads nowhere in this document",
        ),
    ] {
        let error = Document::parse(text)
            .err()
            .unwrap_or_else(|| panic!("accepted: {text}"));
        assert_eq!(error.to_string(), reason);
    }
}

#[test]
fn schemas_that_got_a_name_are_compared_wherever_they_are() {
    let named = json!({ "$ref": "#/components/schemas/Short" });
    let edits = vec![
        Set(
            "/components/schemas/Short",
            json!({ "type": "string", "maxLength": 8 }),
        ),
        Set("/components/schemas/NewOrder/properties/note", named.clone()),
        Set(
            "/components/schemas/NewOrder/properties/labels/additionalProperties",
            named,
        ),
    ];
    assert_eq!(
        lines(&difference(SHOP, &edited(edits))),
        [
            "BREAKS clients  request NewOrder.labels.*: maxLength was 9 and is 8 (what they send may be refused now)",
            "BREAKS clients  request NewOrder.note: it cannot be null any more (what they send may be refused now)",
            "BREAKS clients  request NewOrder.note: maxLength was not given and is 8 (what they send may be refused now)",
        ]
    );
}

#[test]
fn circles_of_schemas_end() {
    let document = |schemas: &str| {
        format!(
            "
openapi: 3.0.3
info: {{ version: 1.0.0 }}
paths:
  /trees:
    get:
      responses:
        '200': {{ content: {{ application/json: {{ schema: {{ $ref: '#/components/schemas/Tree' }} }} }} }}
components: {{ schemas: {schemas} }}
"
        )
    };
    let node = "type: object, properties: { next: { $ref: '#/components/schemas/Tree' } }";
    let old = document(&format!("{{ Tree: {{ {node} }} }}"));
    // Its names and those of the old one alternate.
    let new = document(&format!(
        "{{ Tree: {{ type: object, properties: {{ next: {{ {node} }} }} }} }}"
    ));
    assert!(lines(&difference(&old, &new)).is_empty());
    assert!(lines(&difference(&new, &old)).is_empty());
}

//! The keys of mapping and fragment files, with their meaning; as JSON Schema, for editors.
//!
//! The compiler says what is wrong with a file; this says to an editor what may be written. A test holds both together.

use serde_json::{Map, Value, json};

/// A key, and what it means.
pub struct GrammarKey {
    /// As written.
    pub name: &'static str,
    /// What it does, in a sentence or two.
    pub sentence: &'static str,
    /// The definition of what may stand behind it.
    form: &'static str,
    /// How it is written.
    pub example: &'static str,
}

const fn key(name: &'static str, form: &'static str, sentence: &'static str, example: &'static str) -> GrammarKey {
    GrammarKey { name, sentence, form, example }
}

/// The keys of a mapping file.
pub const FILE_KEYS: &[GrammarKey] = &[
    key("from", "type", "The document type that goes in, family/name@version.", "hub/sales-order@1"),
    key("to", "type", "The document type that comes out, family/name@version.", "erp/order@1"),
    key(
        "namespaces",
        "texts",
        "Prefixes for paths and output names, each with its namespace.",
        "{h: \"urn:crossdock:hub:1\"}",
    ),
    key(
        "default-namespace",
        "text",
        "The namespace of names without prefix in paths: a prefix of `namespaces`, or the namespace itself.",
        "h",
    ),
    key(
        "let",
        "lets",
        "Named values, in scope everywhere below as $name; each sees those before it. Evaluated when first used.",
        "{order: =SalesOrder}",
    ),
    key(
        "assert",
        "assertions",
        "Conditions every document must meet; one that is false rejects the document with its message.",
        "[{that: =Line, message: an order has lines}]",
    ),
    key("fragments", "fragments", "Blocks that `$use` inserts, by name.", "{address: {city: =City}}"),
    key(
        "output",
        "block",
        "The output, in its own shape: keys are elements (in JSON members), \"@name\" an attribute, \"#text\" the text of an \
         element that has attributes.",
        "{order: {number: =Order/No}}",
    ),
    key(
        "documents",
        "documents",
        "Several outputs instead of one, by name: each with its own to, output and optional $if.",
        "{receipt: {to: erp/receipt@1, $if: =Order/Deposit, output: {receipt: {amount: =Order/Deposit}}}}",
    ),
];

/// The keys of an output block that begin with `$`.
pub const INSTRUCTION_KEYS: &[GrammarKey] = &[
    key(
        "$each",
        "formula",
        "Makes the block once for each item, which becomes the context item; position() and last() count the items.",
        "=$order/Line",
    ),
    key(
        "$group-by",
        "keys",
        "With $each: one block for each distinct key; current-group() and current-grouping-key() tell of the group.",
        "=Store",
    ),
    key(
        "$sort",
        "keys",
        "With $each: the order of the items; a list of keys, each a formula or {by, order, as}.",
        "{by: =Quantity, order: descending, as: number}",
    ),
    key("$if", "value", "Leaves the block out unless this holds.", "=Quantity != 0"),
    key(
        "$choose",
        "branches",
        "The first branch whose `when` holds is taken, `otherwise` when none does.",
        "[{when: =Total ge 100, then: large}, {otherwise: small}]",
    ),
    key(
        "$let",
        "lets",
        "Named values in scope in this block; with $each they see the item.",
        "{net: =Price * Quantity}",
    ),
    key("$copy", "formula", "Inserts nodes of the source as they are.", "=Order/Note"),
    key(
        "$merge",
        "merge",
        "Lets through what a node holds and the block does not name, except a list of paths.",
        "{from: =Order, except: [Internal]}",
    ),
    key(
        "$use",
        "use",
        "Inserts a fragment, or a list of them; {fragment, with} gives parameters.",
        "{fragment: address, with: {at: =Order/ShipTo}}",
    ),
    key(
        "$empty",
        "nothing",
        "What an absent or empty value becomes in this block and below: omit (nothing), keep (an empty field) or nil (null).",
        "keep",
    ),
    key("$null", "nothing", "What a null value becomes in this block and below: omit, keep or nil.", "nil"),
];

/// The key with which a fragment declares its parameters.
pub const PARAMETERS_KEY: GrammarKey = key(
    "$parameters",
    "parameters",
    "The parameters of a fragment: a list of names, or names with defaults; a name alone must be given.",
    "{who: , country: CN}",
);

/// What a key stands for in the schema.
fn property(key: &GrammarKey) -> (String, Value) {
    let description = format!("{}\n\nExample: {}: {}", key.sentence, key.name, key.example);
    // Siblings of `$ref` count only in newer drafts than editors follow, so it goes into `allOf`.
    let value = json!({"description": description, "allOf": [{"$ref": format!("#/definitions/{}", key.form)}]});
    (key.name.to_owned(), value)
}

fn properties<'k>(keys: impl IntoIterator<Item = &'k GrammarKey>) -> Map<String, Value> {
    keys.into_iter().map(property).collect()
}

fn definitions() -> Value {
    let scalar = json!({"type": ["string", "number", "boolean"]});
    let reference = |name: &str| json!({"$ref": format!("#/definitions/{name}")});
    let block = |more: &[&GrammarKey]| {
        let mut own = properties(INSTRUCTION_KEYS.iter().chain(more.iter().copied()));
        let text = "The text of an element that also has attributes.";
        own.insert("#text".to_owned(), json!({"description": text, "allOf": [reference("value")]}));
        json!({
            "type": "object",
            "properties": own,
            "patternProperties": {"^@": reference("value"), "^[^$@#]": reference("content")},
            "additionalProperties": false,
        })
    };
    json!({
        "type": {"type": "string", "pattern": "^[^/ ]+/[^ ]+$"},
        "text": {"type": "string"},
        "texts": {"type": "object", "additionalProperties": {"type": "string"}},
        "formula": {
            "description": "A formula, XPath 3.1: `=` and an expression.",
            "type": "string",
            "pattern": "^=",
        },
        "value": {"description": "A literal, or a formula that begins with `=`.", "allOf": [scalar]},
        "lets": {"type": "object", "additionalProperties": reference("value")},
        "assertions": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["that", "message"],
                "additionalProperties": false,
                "properties": {
                    "that": {"description": "What must hold.", "allOf": [reference("value")]},
                    "message": {"description": "What is told when it does not.", "allOf": [reference("value")]},
                    "severity": {
                        "description": "error rejects the document; warning makes it and tells.",
                        "enum": ["error", "warning"],
                    },
                },
            },
        },
        "nothing": {"enum": ["omit", "keep", "nil"]},
        "sort-key": {"anyOf": [
            reference("value"),
            {
                "type": "object",
                "required": ["by"],
                "additionalProperties": false,
                "properties": {
                    "by": {"description": "The key.", "allOf": [reference("value")]},
                    "order": {"description": "ascending when not given.", "enum": ["ascending", "descending"]},
                    "as": {
                        "description": "What keys are compared as; the value's own type when not given.",
                        "enum": ["number", "text", "date"],
                    },
                },
            },
        ]},
        "keys": {"anyOf": [reference("sort-key"), {"type": "array", "minItems": 1, "items": reference("sort-key")}]},
        "branches": {
            "type": "array",
            "minItems": 1,
            "items": {"anyOf": [
                {
                    "type": "object",
                    "required": ["when", "then"],
                    "additionalProperties": false,
                    "properties": {
                        "when": {"description": "The condition of this branch.", "allOf": [reference("value")]},
                        "then": {"description": "What it makes.", "allOf": [reference("content")]},
                    },
                },
                {
                    "type": "object",
                    "required": ["otherwise"],
                    "additionalProperties": false,
                    "properties": {
                        "otherwise": {"description": "What is made when no branch holds.", "allOf": [reference("content")]},
                    },
                },
            ]},
        },
        "one-use": {"anyOf": [
            {"type": "string"},
            {
                "type": "object",
                "required": ["fragment"],
                "additionalProperties": false,
                "properties": {
                    "fragment": {"description": "The fragment's name.", "type": "string"},
                    "with": {"description": "The parameters it is given.", "allOf": [reference("lets")]},
                },
            },
        ]},
        "use": {"anyOf": [reference("one-use"), {"type": "array", "items": reference("one-use")}]},
        "merge": {"anyOf": [
            reference("formula"),
            {
                "type": "object",
                "required": ["from"],
                "additionalProperties": false,
                "properties": {
                    "from": {"description": "The node.", "allOf": [reference("formula")]},
                    "except": {
                        "description": "Paths below it that do not go through.",
                        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
                    },
                },
            },
        ]},
        "documents": {
            "type": "object",
            "propertyNames": {"pattern": "^[A-Za-z0-9_-]+$"},
            "additionalProperties": {
                "type": "object",
                "required": ["to", "output"],
                "additionalProperties": false,
                "properties": {
                    "to": {"description": "The document type.", "allOf": [reference("type")]},
                    "$if": {"description": "Without it there is no such document.", "allOf": [reference("value")]},
                    "output": {"description": "The output, in its own shape.", "allOf": [reference("block")]},
                },
            },
        },
        "content": {"anyOf": [
            reference("value"),
            reference("block"),
            {"type": "array", "items": {"anyOf": [reference("value"), reference("block")]}},
        ]},
        "block": block(&[]),
        "fragment": block(&[&PARAMETERS_KEY]),
        "parameters": {"anyOf": [
            {"type": "array", "items": {"type": "string"}},
            {"type": "object", "additionalProperties": {"anyOf": [reference("value"), {"type": "null"}]}},
        ]},
        "fragments": {"type": "object", "additionalProperties": reference("fragment")},
    })
}

/// The JSON Schema (draft 7, which editors follow) of mapping files.
#[must_use]
pub fn mapping_file_schema() -> Value {
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Crossdock mapping",
        "description": "One document type made from another; the file has the shape of its output.",
        "type": "object",
        "required": ["from"],
        "oneOf": [{"required": ["to", "output"]}, {"required": ["documents"]}],
        "additionalProperties": false,
        "properties": properties(FILE_KEYS),
        "definitions": definitions(),
    })
}

/// The JSON Schema (draft 7) of the files in `fragments/`.
#[must_use]
pub fn fragment_file_schema() -> Value {
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Crossdock fragment",
        "description": "A block that the mappings of the profile insert with $use.",
        "allOf": [{"$ref": "#/definitions/fragment"}],
        "definitions": definitions(),
    })
}

//! Limits on what one message may ask of the machine, each with its reason.

/// What a document may at most ask for. A document beyond a limit is refused with the limit's name and value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one document. Bounds memory: the arena takes a small multiple of it.
    pub document_bytes: usize,
    /// XML element depth. Recursion over a document stays far from the stack's end.
    pub xml_depth: usize,
    /// Attributes of one element. Duplicate checks stay linear.
    pub xml_attributes: usize,
    /// Namespace declarations of one element.
    pub xml_namespace_declarations: usize,
    /// Namespace declarations in scope at once.
    pub xml_namespaces_in_scope: usize,
    /// Nodes of one document: elements, attributes, texts.
    pub nodes: usize,
    /// Bytes of one name.
    pub name_bytes: usize,
    /// JSON depth.
    pub json_depth: usize,
    /// Members of one JSON object.
    pub json_members: usize,
    /// Bytes of one JSON string.
    pub json_string_bytes: usize,
    /// Documents one message may carry. Each becomes a message of its own, in one transaction that others wait for.
    pub parts: usize,
    /// Steps one evaluation of a mapping may take; a loop over a large document ends instead of holding a core.
    pub evaluation_steps: u64,
}

/// The shipped values: generous for business documents, small against attacks.
impl Default for Limits {
    fn default() -> Self {
        Self {
            document_bytes: 10 << 20,
            xml_depth: 256,
            xml_attributes: 256,
            xml_namespace_declarations: 64,
            xml_namespaces_in_scope: 256,
            nodes: 5_000_000,
            name_bytes: 1024,
            json_depth: 128,
            json_members: 10_000,
            json_string_bytes: 10 << 20,
            parts: 10_000,
            evaluation_steps: 50_000_000,
        }
    }
}

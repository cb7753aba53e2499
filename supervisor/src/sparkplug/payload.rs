//! Sparkplug B's payload (protobuf), as far as the bridge speaks it. Numbers of fields and types: Sparkplug 3.0, chapter 6.

use prost::{Message, Oneof};

/// Types of metrics, Sparkplug 3.0, 6.4.16.
pub(super) mod datatype {
    pub(in super::super) const INT64: u32 = 4;
    pub(in super::super) const UINT64: u32 = 8;
    pub(in super::super) const DOUBLE: u32 = 10;
    pub(in super::super) const BOOLEAN: u32 = 11;
    pub(in super::super) const STRING: u32 = 12;
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Payload {
    /// Milliseconds since 1970.
    #[prost(uint64, optional, tag = "1")]
    pub(super) timestamp: Option<u64>,
    #[prost(message, repeated, tag = "2")]
    pub(super) metrics: Vec<Metric>,
    /// 0 to 255 and round again; a death has none.
    #[prost(uint64, optional, tag = "3")]
    pub(super) seq: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Metric {
    #[prost(string, optional, tag = "1")]
    pub(super) name: Option<String>,
    #[prost(uint64, optional, tag = "3")]
    pub(super) timestamp: Option<u64>,
    #[prost(uint32, optional, tag = "4")]
    pub(super) datatype: Option<u32>,
    #[prost(bool, optional, tag = "7")]
    pub(super) is_null: Option<bool>,
    #[prost(message, optional, tag = "9")]
    pub(super) properties: Option<Properties>,
    #[prost(oneof = "Value", tags = "11, 13, 14, 15")]
    pub(super) value: Option<Value>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(super) enum Value {
    /// Whole numbers of 64 bits, with or without a sign.
    #[prost(uint64, tag = "11")]
    Long(u64),
    #[prost(double, tag = "13")]
    Double(f64),
    #[prost(bool, tag = "14")]
    Boolean(bool),
    #[prost(string, tag = "15")]
    String(String),
}

/// A metric's properties: names, and at the same places their values.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Properties {
    #[prost(string, repeated, tag = "1")]
    pub(super) keys: Vec<String>,
    #[prost(message, repeated, tag = "2")]
    pub(super) values: Vec<Property>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Property {
    #[prost(uint32, optional, tag = "1")]
    pub(super) datatype: Option<u32>,
    #[prost(string, optional, tag = "8")]
    pub(super) text: Option<String>,
}

//! What is about Node-API alone. Nothing here knows of slots.

pub(super) mod arguments;
pub(super) mod captured;
pub(super) mod event_loop;
pub(super) mod external;
pub(super) mod failure;
pub(super) mod scope;
pub(super) mod weak;

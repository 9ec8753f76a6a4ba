//! What is about the runtime alone: Node-API, arguments and errors, libuv's event loop.

pub(super) mod arguments;
pub(super) mod captured;
pub(super) mod event_loop;
pub(super) mod external;
pub(super) mod failure;
pub(super) mod scope;
pub(super) mod weak;

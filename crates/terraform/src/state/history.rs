//! Every version a state ever had.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use qnt9_model::door::StateVersion;
use serde_json::{Value, json};

use super::answer::Failure;
use super::{Place, StateServer, as_json};

/// `{"workspace", "lock": null | {"id", "by", "since", "info"}, "versions": [..]}`, newest version
/// first. Times are milliseconds since 1970, sizes bytes.
pub(super) async fn versions(
    State(server): State<StateServer>,
    Path((project, workspace)): Place,
    headers: HeaderMap,
) -> Result<Json<Value>, Failure> {
    let subject = server.admit(&headers, project, workspace)?;
    let known = server.door.workspace(&subject.project, &subject.workspace).unwrap_or_default();
    let current = known.current.as_ref();
    let show = |version: &StateVersion| {
        json!({
            "serial": version.serial,
            "lineage": version.lineage,
            "md5": version.md5,
            "bytes": version.bytes,
            "written": version.written.0,
            "by": version.by.to_string(),
            "current": current == Some(version),
        })
    };
    let lock = known.lock.as_ref().map(|lock| {
        json!({
            "id": lock.id,
            "by": lock.by.to_string(),
            "since": lock.since.0,
            "info": lock.info.show(),
        })
    });
    let versions: Vec<Value> = known.history.iter().rev().map(show).collect();
    Ok(Json(json!({ "workspace": subject.workspace, "lock": lock, "versions": versions })))
}

/// The state of that serial; where the state was deleted and begun anew, the newest of them.
pub(super) async fn version(
    State(server): State<StateServer>,
    Path((project, workspace, serial)): Path<(String, String, u64)>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let subject = server.admit(&headers, project, workspace)?;
    let known = server.door.workspace(&subject.project, &subject.workspace).unwrap_or_default();
    let version = known.history.iter().rev().find(|version| version.serial == serial);
    let Some(version) = version else {
        let text = format!("state {} has no version with the serial {serial}", subject.workspace);
        return Err(Failure::text(StatusCode::NOT_FOUND, text));
    };
    Ok(as_json(server.open(&version.blob).await?))
}

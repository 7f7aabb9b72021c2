//! `qnt9 notifications`

use std::process::ExitCode;

use qnt9_server::api::shapes::NotificationShape;

use super::asking::Asking;
use crate::cli::Common;
use crate::failure::Failure;
use crate::render::things;

/// Lists them.
pub async fn run(common: &Common) -> Result<ExitCode, Failure> {
    let ask = Asking::of(common).await?;
    let notifications: Vec<NotificationShape> = ask.get("/notifications").await?;
    ask.print(&notifications, |notifications, clock| things::notifications(notifications, clock));
    Ok(ExitCode::SUCCESS)
}

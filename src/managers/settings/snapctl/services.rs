//! `services`, `start`, `stop` and `restart`.

use super::{Caller, Flags, SnapctlOutput};
use crate::domain::Fault;
use crate::managers::services::{Action, AppView, ControlRequest};
use crate::managers::settings::Settings;

impl Settings {
    /// The caller's services of these names (`SNAP` or `SNAP.APP`); none means all.
    fn own_services(&self, caller: &Caller<'_>, names: &[String]) -> Result<Vec<AppView>, Fault> {
        let snap = caller.snap.as_str();
        for name in names {
            let own = name == snap || name.split_once('.').is_some_and(|(other, _)| other == snap);
            if !own || self.services.list(std::slice::from_ref(name), true).is_err() {
                return Err(Fault::bad(format!("unknown service: {name:?}")));
            }
        }
        if names.is_empty() {
            return Ok(self.services.list(&[snap.to_owned()], true).unwrap_or_default());
        }
        self.services.list(names, true)
    }

    pub(super) fn list_services(&self, caller: &Caller<'_>, flags: &Flags) -> Result<SnapctlOutput, Fault> {
        let views = self.own_services(caller, &flags.words)?;
        if views.is_empty() {
            return Ok(SnapctlOutput::default());
        }
        let mut rows = vec![["Service", "Startup", "Current", "Notes"].map(String::from)];
        for view in views {
            let status = view.status.unwrap_or_default();
            let notes: Vec<String> = view
                .activators
                .iter()
                .map(|activator| format!("{}-activated", activator.kind))
                .collect();
            rows.push([
                format!("{}.{}", view.snap, view.name),
                if status.enabled { "enabled" } else { "disabled" }.to_owned(),
                if status.active { "active" } else { "inactive" }.to_owned(),
                if notes.is_empty() {
                    String::from("-")
                } else {
                    notes.join(",")
                },
            ]);
        }
        Ok(SnapctlOutput::printed(table(&rows)))
    }

    pub(super) async fn control(
        &self,
        caller: &Caller<'_>,
        word: &str,
        flags: &Flags,
    ) -> Result<SnapctlOutput, Fault> {
        if flags.words.is_empty() {
            return Err(Fault::bad(
                "the required argument `<service> (at least 1 argument)` was not provided",
            ));
        }
        let views = self.own_services(caller, &flags.words)?;
        let action = Action::parse(word).ok_or_else(|| Fault::bad("unknown action"))?;
        let plan = self.services.plan_control(&ControlRequest {
            action,
            names: flags.words.clone(),
            enable: flags.has("enable"),
            disable: flags.has("disable"),
            reload: flags.has("reload"),
        })?;
        // From the configure hook the work is queued after it (contract: confinement, section 7).
        if let Some(hook) = caller.hook.as_ref().filter(|hook| hook.hook == "configure") {
            for task in plan.tasks {
                hook.queue(task);
            }
            return Ok(SnapctlOutput::default());
        }
        let names: Vec<String> = views.into_iter().map(|view| view.name).collect();
        match action {
            Action::Start => self.services.start(&caller.snap, &names).await?,
            Action::Stop => self.services.stop(&caller.snap, &names).await?,
            Action::Restart if flags.has("reload") => self.services.reload(&caller.snap, &names).await?,
            Action::Restart => self.services.restart(&caller.snap, &names).await?,
        }
        let enabled = match action {
            Action::Start if flags.has("enable") => Some(true),
            Action::Stop if flags.has("disable") => Some(false),
            _ => None,
        };
        if let Some(enabled) = enabled {
            self.services.set_enabled(&caller.snap, names, enabled).await?;
        }
        Ok(SnapctlOutput::default())
    }
}

/// Columns padded by two blanks.
fn table(rows: &[[String; 4]]) -> String {
    let mut widths = [0; 4];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count() + 2);
        }
    }
    let mut text = String::new();
    for row in rows {
        for (position, cell) in row.iter().enumerate() {
            if position == 3 {
                text.push_str(cell);
            } else {
                text.push_str(&format!("{cell:<width$}", width = widths[position]));
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_padded_by_two() {
        let rows = [
            ["Service", "Startup", "Current", "Notes"].map(String::from),
            ["cf.one", "enabled", "active", "-"].map(String::from),
        ];
        assert_eq!(
            table(&rows),
            "Service  Startup  Current  Notes\ncf.one   enabled  active   -\n"
        );
    }
}

//! `services`, `start`, `stop` and `restart`.

use super::{Caller, Flags, SnapctlOutput, required};
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
            let of_user = view.of_user.then(|| String::from("user"));
            let activators = view.activators.iter();
            let notes: Vec<String> = of_user
                .into_iter()
                .chain(activators.map(|activator| format!("{}-activated", activator.kind)))
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

    pub(super) fn control(
        &self,
        caller: &Caller<'_>,
        word: &str,
        flags: &Flags,
    ) -> Result<SnapctlOutput, Fault> {
        if flags.words.is_empty() {
            return Err(required("<service> (at least 1 argument)"));
        }
        self.own_services(caller, &flags.words)?;
        let action = Action::parse(word).ok_or_else(|| Fault::bad("unknown action"))?;
        let mut plan = self.services.plan_control(&ControlRequest {
            action,
            names: flags.words.clone(),
            enable: flags.has("enable"),
            disable: flags.has("disable"),
            reload: flags.has("reload"),
        })?;
        // From the configure hook the work is queued after it; else it is a change of its own (contract: confinement,
        // section 7; snaps-and-assertions, section 3).
        if let Some(hook) = caller.hook.as_ref().filter(|_| caller.is_hook("configure")) {
            hook.queue(plan.tasks)?;
            return Ok(SnapctlOutput::default());
        }
        plan.within = caller.hook.as_ref().and_then(|hook| hook.change);
        Ok(SnapctlOutput {
            change: Some(plan),
            ..SnapctlOutput::default()
        })
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

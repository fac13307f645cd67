//! The keys that there must be, as the model has them.

use super::dump::{Dump, Value};
use super::model::{LANE, Model, text};
use crate::ground::{P, X};

impl Model {
    /// Every key that there must be.
    pub fn dump(&self) -> Dump {
        let mut dump = Dump::default();
        let p = |name: &str| format!("{P}{name}");
        let x = |name: &str| format!("{X}{name}");
        for (id, fields) in &self.jobs {
            dump.put(p(id), Value::Hash(fields.clone()));
        }
        for (id, lines) in &self.logs {
            dump.put(p(&format!("{id}:logs")), Value::List(lines.clone()));
        }
        for (id, fields) in &self.records {
            dump.put(x(&format!("job:{id}")), Value::Hash(fields.clone()));
        }
        for (id, token) in &self.locks {
            dump.put_for_a_while(p(&format!("{id}:lock")), Value::Text(token.clone()));
        }
        dump.put(p(self.line_name()), Value::List(self.line.clone()));
        dump.put(p("active"), Value::List(self.active.clone()));
        let ranked = if self.is_bull() { "priority" } else { "prioritized" };
        let sets = [
            ("delayed", &self.delayed),
            ("completed", &self.completed),
            ("failed", &self.failed),
            (ranked, &self.ranked),
            ("marker", &self.marker),
        ];
        for (name, set) in sets {
            dump.put(p(name), Value::Sorted(set.clone()));
        }
        dump.put(p("stalled"), Value::Set(self.stalled.clone()));
        dump.put(x("leases"), Value::Set(self.leases.clone()));
        dump.put(x("leases:stalled"), Value::Hash(self.noted.clone()));
        dump.put(x("suspects"), Value::Hash(self.suspects.clone()));
        dump.put(p("meta"), Value::Hash(self.meta.clone()));
        for (kind, metrics) in ["completed", "failed"].iter().zip(&self.metrics) {
            dump.put(p(&format!("metrics:{kind}")), Value::Hash(metrics.fields.clone()));
            dump.put(p(&format!("metrics:{kind}:data")), Value::List(metrics.points.clone()));
        }
        for (key, lines) in
            [(p("events"), &self.events), (x("audit"), &self.audit), (x("cancel"), &self.wake_ups)]
        {
            if !lines.is_empty() {
                dump.put(key, Value::Stream(lines.clone()));
            }
        }
        self.dump_texts(&mut dump);
        dump
    }

    fn dump_texts(&self, dump: &mut Dump) {
        if self.counter > 0 {
            dump.put(format!("{P}id"), Value::Text(text(self.counter)));
        }
        if self.fence > 0 {
            dump.put(format!("{X}fence"), Value::Text(text(self.fence)));
        }
        if let Some(count) = self.pc {
            dump.put(format!("{P}pc"), Value::Text(text(count)));
        }
        if self.is_bull() && self.paused {
            dump.put(format!("{P}meta-paused"), Value::Text(text(1)));
        }
        if let Some(at) = self.checked {
            dump.put_for_a_while(format!("{P}stalled-check"), Value::Text(text(at)));
        }
        if self.has_reply {
            dump.put_for_a_while(format!("{X}reply:{LANE}"), Value::Opaque);
        }
    }
}

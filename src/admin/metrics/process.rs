//! The `process_*` metrics that every exporter has: what the kernel says of this process. Linux only; elsewhere none.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Ticks a second of the times in `/proc/<pid>/stat`: fixed by the kernel's interface to programs.
const TICKS_PER_SECOND: f64 = 100.0;

/// Reads `/proc/self` at every scrape.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Some(facts) = Facts::read() else { return Ok(()) };
        let cpu = ConstCounter::new(facts.cpu_seconds);
        let help = "Time that this process spent on processors, in seconds";
        cpu.encode(encoder.encode_descriptor("process_cpu_seconds", help, None, cpu.metric_type())?)?;
        let gauges = [
            (
                "process_start_time_seconds",
                "Start of this process, in seconds since the epoch",
                facts.start_seconds,
            ),
            ("process_resident_memory_bytes", "Memory that this process occupies", facts.resident_bytes),
            ("process_virtual_memory_bytes", "Memory that this process has mapped", facts.virtual_bytes),
            ("process_threads", "Threads of this process", facts.threads),
            ("process_open_fds", "Open file descriptors of this process", facts.open_fds),
            ("process_max_fds", "File descriptors that this process may open", facts.max_fds),
        ];
        for (name, help, value) in gauges {
            let Some(value) = value else { continue };
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        Ok(())
    }
}

struct Facts {
    cpu_seconds: f64,
    start_seconds: Option<f64>,
    resident_bytes: Option<f64>,
    virtual_bytes: Option<f64>,
    threads: Option<f64>,
    open_fds: Option<f64>,
    max_fds: Option<f64>,
}

impl Facts {
    fn read() -> Option<Self> {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        // The second field is the program's name in brackets and may hold anything; count from behind it.
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        let ticks = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let kernel = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let boot = number_after(&kernel, "btime ");
        Some(Self {
            cpu_seconds: (ticks(14)? + ticks(15)?) / TICKS_PER_SECOND,
            start_seconds: boot.zip(ticks(22)).map(|(boot, start)| boot + start / TICKS_PER_SECOND),
            resident_bytes: number_after(&status, "VmRSS:").map(|kib| kib * 1024.0),
            virtual_bytes: number_after(&status, "VmSize:").map(|kib| kib * 1024.0),
            threads: number_after(&status, "Threads:"),
            open_fds: std::fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count() as f64),
            max_fds: open_files_max(),
        })
    }
}

/// How many files and sockets this process may have open.
pub(in crate::admin) fn open_files_max() -> Option<f64> {
    number_after(&std::fs::read_to_string("/proc/self/limits").ok()?, "Max open files")
}

/// The number that follows `label` at the beginning of a line.
fn number_after(text: &str, label: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(label)?.split_whitespace().next()?.parse().ok())
}

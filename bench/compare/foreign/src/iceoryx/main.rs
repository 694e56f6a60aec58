// SPDX-License-Identifier: Apache-2.0
// iceoryx2 as a system of the comparison: see the line protocol in internal/lab. Requests
// and answers are two services of publish and subscribe; who waits polls, and offers its
// core to others after 64 polls.
use iceoryx2::port::{publisher::Publisher, subscriber::Subscriber};
use iceoryx2::prelude::*;
use std::error::Error;
use std::io::BufRead;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

type Out = Publisher<ipc::Service, [u8], ()>;
type In = Subscriber<ipc::Service, [u8], ()>;
type Result<T> = std::result::Result<T, Box<dyn Error>>;

static GONE: AtomicBool = AtomicBool::new(false);
static GOES: AtomicU32 = AtomicU32::new(0);

#[derive(Default)]
struct Job {
    role: String,
    pattern: String,
    at: String,
    bytes: usize,
    warm: Duration,
    run: Duration,
}

fn seconds(text: &str) -> Duration {
    let (number, scale) = match text.strip_suffix("ms") {
        Some(n) => (n, 1e-3),
        None => (text.trim_end_matches('s'), 1.0),
    };
    Duration::from_secs_f64(number.parse::<f64>().unwrap_or(0.0) * scale)
}

fn job() -> Job {
    let mut j = Job::default();
    let all: Vec<String> = std::env::args().collect();
    for pair in all.windows(2) {
        let value = pair[1].clone();
        match pair[0].as_str() {
            "-role" => j.role = value,
            "-pattern" => j.pattern = value,
            "-at" => j.at = value,
            "-bytes" => j.bytes = value.parse().unwrap_or(0),
            "-warm" => j.warm = seconds(&value),
            "-run" => j.run = seconds(&value),
            _ => {}
        }
    }
    j
}

/// Opens the two services; the server's way out is the caller's way in.
fn open(j: &Job) -> Result<(Node<ipc::Service>, Out, In)> {
    let folder = std::path::Path::new(j.at.split("://").nth(1).unwrap_or("")).parent().ok_or("no folder")?;
    let mut config = Config::global_config().clone();
    config.global.set_root_path(&Path::new(folder.to_str().ok_or("no folder")?.as_bytes())?);
    // The segments are in a folder that all share: a prefix of its own for each run.
    let name = folder.file_name().and_then(|n| n.to_str()).ok_or("no folder")?;
    config.global.prefix = FileName::new(format!("{name}_").as_bytes())?;
    let node = NodeBuilder::new().config(&config).signal_handling_mode(SignalHandlingMode::Disabled).create::<ipc::Service>()?;
    let buffered = if j.bytes > 65536 { 4 } else { 1024 };
    let service = |name: &str| -> Result<_> {
        Ok(node
            .service_builder(&name.try_into()?)
            .publish_subscribe::<[u8]>()
            .enable_safe_overflow(false)
            .subscriber_max_buffer_size(buffered)
            .max_publishers(1)
            .max_subscribers(1)
            .open_or_create()?)
    };
    let (mut there, mut back) = (service("there")?, service("back")?);
    if j.role == "serve" {
        std::mem::swap(&mut there, &mut back);
    }
    let out = there
        .publisher_builder()
        .initial_max_slice_len(j.bytes.max(8))
        .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
        .create()?;
    let into = back.subscriber_builder().create()?;
    Ok((node, out, into))
}

fn send(out: &Out, payload: &[u8]) -> Result<()> {
    out.loan_slice_uninit(payload.len())?.write_from_slice(payload).send()?;
    Ok(())
}

/// Waits for the next message and gives it to use, in place.
fn receive<T>(into: &In, take: impl FnOnce(&[u8]) -> T) -> Result<T> {
    for polls in 0u64.. {
        if let Some(sample) = into.receive()? {
            return Ok(take(sample.payload()));
        }
        if polls < 64 {
            std::hint::spin_loop();
            continue;
        }
        if GONE.load(Ordering::Relaxed) {
            break;
        }
        std::thread::yield_now();
    }
    Err("the run is over".into())
}

fn serve(j: &Job) -> Result<()> {
    let (_node, out, into) = open(j)?;
    println!("ready");
    let item = vec![b'x'; j.bytes];
    loop {
        let done = match j.pattern.as_str() {
            "call" => receive(&into, |p| send(&out, p)),
            "loan" => receive(&into, |p| send(&out, &(p.iter().filter(|b| **b == b'y').count() as u64).to_le_bytes())),
            _ => receive(&into, |p| {
                let n = u64::from_le_bytes(p[..8].try_into()?);
                (0..n).try_for_each(|_| send(&out, &item))
            }),
        };
        match done {
            Ok(sent) => sent?,
            Err(_) => return Ok(()),
        }
    }
}

fn begin() {
    println!("begin");
    while GOES.load(Ordering::Relaxed) == 0 && !GONE.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_micros(100));
    }
}

fn call(j: &Job) -> Result<()> {
    let (_node, out, into) = open(j)?;
    let request = vec![b'x'; j.bytes];
    let mut reply = vec![0u8; j.bytes];
    let mut one = || -> Result<()> {
        send(&out, &request)?;
        receive(&into, |p| reply[..p.len()].copy_from_slice(p))
    };
    let stream = |n: u64| -> Result<Duration> {
        let began = Instant::now();
        let mut own = vec![0u8; j.bytes];
        send(&out, &n.to_le_bytes())?;
        for _ in 0..n {
            receive(&into, |p| own.copy_from_slice(p))?;
        }
        Ok(began.elapsed())
    };
    if j.pattern == "stream" {
        let mut n = 1000;
        let mut took = stream(n)?;
        while took < j.warm {
            n *= 2;
            took = stream(n)?;
        }
        n = (n as f64 * j.run.as_secs_f64() / took.as_secs_f64()) as u64;
        begin();
        took = stream(n)?;
        println!("end\n{{\"ops\":{n},\"seconds\":{:.9}}}", took.as_secs_f64());
        return Ok(());
    }
    let mut spans: Vec<u32> = Vec::with_capacity(1 << 25);
    let mut all = |limit: Duration, spans: &mut Vec<u32>| -> Result<Duration> {
        let began = Instant::now();
        let mut last = Duration::ZERO;
        while last < limit {
            one()?;
            let now = began.elapsed();
            spans.push((now - last).as_nanos() as u32);
            last = now;
        }
        Ok(last)
    };
    all(j.warm, &mut spans)?;
    spans.clear();
    begin();
    let took = all(j.run, &mut spans)?;
    println!("end");
    spans.sort_unstable();
    let n = spans.len();
    let micros = |i: usize| f64::from(spans[i]) / 1e3;
    println!("{{\"ops\":{n},\"seconds\":{:.9},\"p50_us\":{:.3},\"p99_us\":{:.3}}}", took.as_secs_f64(), micros(n / 2), micros(n * 99 / 100));
    Ok(())
}

fn main() -> Result<()> {
    set_log_level(LogLevel::Error);
    std::thread::spawn(|| {
        for _ in std::io::stdin().lock().lines() {
            GOES.fetch_add(1, Ordering::Relaxed);
        }
        GONE.store(true, Ordering::Relaxed);
    });
    let j = job();
    if j.role == "serve" { serve(&j) } else { call(&j) }
}

//! Metric families as the exposition's library writes them. Floats exist here and nowhere else:
//! the format has no other numbers.

use enigma_engine::latency::HistogramSnapshot;
use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType,
};

/// The families of one scrape, each named once.
#[derive(Debug, Default)]
pub(super) struct Families(Vec<MetricFamily>);

pub(super) type Labels = Vec<(&'static str, String)>;

impl Families {
    pub(super) fn gauges(&mut self, name: &str, help: &str, samples: Vec<(Labels, f64)>) {
        let metric = |value: f64, metric: &mut Metric| {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        };
        self.add(name, help, MetricType::GAUGE, samples, metric);
    }

    pub(super) fn counters(&mut self, name: &str, help: &str, samples: Vec<(Labels, f64)>) {
        let metric = |value: f64, metric: &mut Metric| {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        };
        self.add(name, help, MetricType::COUNTER, samples, metric);
    }

    pub(super) fn histograms(
        &mut self,
        name: &str,
        help: &str,
        samples: Vec<(Labels, HistogramSnapshot)>,
    ) {
        let metric = |snapshot: HistogramSnapshot, metric: &mut Metric| {
            metric.set_histogram(histogram(&snapshot));
        };
        self.add(name, help, MetricType::HISTOGRAM, samples, metric);
    }

    pub(super) fn finish(self) -> Vec<MetricFamily> {
        self.0
    }

    fn add<V>(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        samples: Vec<(Labels, V)>,
        fill: impl Fn(V, &mut Metric),
    ) {
        let mut family = MetricFamily::default();
        family.set_name(format!("enigma_{name}"));
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        let metrics = samples.into_iter().map(|(mut labels, value)| {
            labels.sort_unstable();
            let mut metric = Metric::from_label(labels.into_iter().map(pair).collect());
            fill(value, &mut metric);
            metric
        });
        family.set_metric(metrics.collect());
        self.0.push(family);
    }
}

pub(super) fn labels(pairs: &[(&'static str, &str)]) -> Labels {
    pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
}

/// A count as the format's number: exact below 2⁵³.
pub(super) fn count(value: u64) -> f64 {
    value as f64
}

pub(super) fn gauge(value: i64) -> f64 {
    value as f64
}

#[expect(clippy::float_arithmetic, reason = "the exposition's unit is the second, as a float")]
pub(super) fn seconds(nanos: i64) -> f64 {
    nanos as f64 / 1e9
}

#[expect(clippy::float_arithmetic, reason = "the exposition writes ratios as floats")]
pub(super) fn ratio(millionths: i64) -> f64 {
    millionths as f64 / 1e6
}

/// A decimal for display on a graph; nothing is ever computed from it.
pub(super) fn decimal(text: &str) -> f64 {
    text.parse().unwrap_or(f64::NAN)
}

fn histogram(snapshot: &HistogramSnapshot) -> Histogram {
    let bucket = |(bound, count): (u64, u64)| {
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(seconds(i64::try_from(bound).unwrap_or(i64::MAX)));
        bucket.set_cumulative_count(count);
        bucket
    };
    let mut histogram = Histogram::default();
    histogram.set_sample_count(snapshot.count());
    histogram.set_sample_sum(seconds(i64::try_from(snapshot.sum_ns()).unwrap_or(i64::MAX)));
    histogram.set_bucket(snapshot.cumulative().into_iter().map(bucket).collect());
    histogram
}

fn pair((name, value): (&'static str, String)) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value);
    pair
}

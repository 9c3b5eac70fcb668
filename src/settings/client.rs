//! How requests to Vault are paced and routed, as Vault's own client takes it from the environment.

use std::fmt;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::environment::Environment;
use super::numbers::natural;
use super::{SettingsError, duration};
use crate::class::endpoint::Flavour;

/// What holds for every request to Vault of one flavour.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// The longest one attempt may take; the mount's timeout when the operator asks for no limit (0).
    pub attempt_timeout: Duration,
    /// Attempts after the first; `None` goes on until the mount's budget is spent.
    pub max_retries: Option<u32>,
    /// Requests per second to one address; `None` has no limit.
    pub rate_limit: Option<RateLimit>,
    /// The proxy for `http` and `https` addresses.
    pub proxy: Option<Proxy>,
}

/// A token bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimit {
    /// Requests per second; finite, above zero.
    pub per_second: f64,
    /// Requests that may go at once; at least 1.
    pub burst: u32,
}

/// A proxy's URL, which may hold a user and a password: neither `Debug` nor `Display` show them.
#[derive(Clone)]
pub struct Proxy {
    url: SecretString,
    origin: String,
}

impl Proxy {
    fn parse(text: &str) -> Result<Self, &'static str> {
        const WRONG: &str = "is no proxy; expected http://host:port or https://host:port";
        let uri: http::Uri = text.parse().map_err(|_| WRONG)?;
        let scheme = uri.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https")).ok_or(WRONG)?;
        let authority = uri.authority().filter(|authority| !authority.host().is_empty()).ok_or(WRONG)?;
        let server = authority.as_str().rsplit_once('@').map_or(authority.as_str(), |(_, server)| server);
        // `Authority::port` says `None` for a port that is out of range, too.
        let port = server.strip_prefix(authority.host()).ok_or(WRONG)?;
        if !port.is_empty() && port.strip_prefix(':').and_then(natural::<u16>).is_none() {
            return Err(WRONG);
        }
        let origin = format!("{scheme}://{server}");
        Ok(Self { url: SecretString::from(text), origin })
    }

    /// The whole URL with its credentials, for the HTTP client alone.
    pub fn expose_url(&self) -> &str {
        self.url.expose_secret()
    }
}

/// Scheme, host and port only.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({})", self.origin)
    }
}

impl ClientSettings {
    pub(super) fn read(
        flavour: Flavour,
        env: &Environment<'_>,
        mount_timeout: Duration,
    ) -> Result<Self, SettingsError> {
        let attempt_timeout = match env.twin(flavour, "CLIENT_TIMEOUT")? {
            Some(text) => text.read(seconds_or_duration)?,
            None => Duration::from_secs(10),
        };
        let max_retries = env.twin(flavour, "MAX_RETRIES")?;
        let rate_limit = env.twin(flavour, "RATE_LIMIT")?;
        let proxy = match env.twin(flavour, "PROXY_ADDR")? {
            Some(proxy) => Some(proxy),
            None => env.twin(flavour, "HTTP_PROXY")?,
        };
        Ok(Self {
            attempt_timeout: if attempt_timeout.is_zero() { mount_timeout } else { attempt_timeout },
            max_retries: max_retries.map(|text| text.read(retries)).transpose()?,
            rate_limit: rate_limit.map(|text| text.read(RateLimit::parse)).transpose()?,
            proxy: proxy.map(|text| text.read(Proxy::parse)).transpose()?,
        })
    }
}

fn seconds_or_duration(text: &str) -> Result<Duration, String> {
    match natural(text) {
        // As far as a duration reaches.
        Some(seconds) if seconds <= i64::MAX as u64 / 1_000_000_000 => Ok(Duration::from_secs(seconds)),
        _ => duration::parse(text).map_err(|problem| problem.to_string()),
    }
}

fn retries(text: &str) -> Result<u32, &'static str> {
    natural(text).ok_or("is not a whole number of retries")
}

impl RateLimit {
    /// `rate` or `rate:burst`; without a burst it is the rate cut to a whole number, at least 1.
    fn parse(text: &str) -> Result<Self, &'static str> {
        const WRONG: &str = "is no rate limit; write requests per second, or rate:burst like 10:20";
        let (rate, burst) = match text.split_once(':') {
            Some((rate, burst)) => (rate, Some(natural::<u32>(burst).ok_or(WRONG)?)),
            None => (text, None),
        };
        let per_second: f64 = rate.parse().map_err(|_| WRONG)?;
        if !per_second.is_finite() || per_second <= 0.0 || burst == Some(0) {
            return Err("must be above zero");
        }
        Ok(Self { per_second, burst: burst.unwrap_or((per_second as u32).max(1)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_limit_is_a_rate_with_an_optional_burst() {
        for (text, per_second, burst) in
            [("10", 10.0, 10), ("10:20", 10.0, 20), ("0.5", 0.5, 1), ("2.9", 2.9, 2), ("1e3:1", 1000.0, 1)]
        {
            assert_eq!(RateLimit::parse(text), Ok(RateLimit { per_second, burst }), "{text}");
        }
        for text in ["x", ":", "10:", ":10", "10:x", "10:-1", "0", "-1", "1:0", "inf", "NaN", "1:2:3"] {
            assert!(RateLimit::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_proxy_keeps_its_credentials_to_itself() {
        let proxy = Proxy::parse("http://user:hunter2@proxy.example:3128").unwrap();
        assert_eq!(proxy.expose_url(), "http://user:hunter2@proxy.example:3128");
        assert_eq!(
            format!("{proxy} {proxy:?}"),
            "http://proxy.example:3128 Proxy(http://proxy.example:3128)"
        );
        for text in [
            "proxy:3128",
            "socks5://proxy:1080",
            "http://",
            "http://user:hunter2@",
            "http://h:99999",
            "h ttp",
        ] {
            assert!(Proxy::parse(text).is_err_and(|problem| !problem.contains("hunter2")), "{text}");
        }
    }

    #[test]
    fn a_timeout_is_whole_seconds_or_a_duration() {
        for (text, expected) in
            [("60", Some(60.0)), ("1.5s", Some(1.5)), ("0", Some(0.0)), ("1m", Some(60.0))]
        {
            assert_eq!(seconds_or_duration(text).ok().map(|d| d.as_secs_f64()), expected, "{text}");
        }
        for text in ["-5", "-5s", "1.5", "ten", "99999999999999"] {
            assert!(seconds_or_duration(text).is_err(), "{text}");
        }
    }
}

//! What operators ask of jobs, and the answers.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::{
    config::timestamp,
    failure::{Code, Failure},
    registry::Current,
    store::jobs::{Broken, Filter, Jobs, Line, Shown, State, Unfit},
};

/// What is asked.
#[derive(Clone, Debug)]
pub enum Ask {
    /// A page of jobs, how many there are, and the schedules.
    List(Filter),
    /// One job with its request.
    Show(String),
    /// A dead job is to be tried again.
    Requeue(String),
    /// A job is to be called off.
    Cancel(String),
}

/// Answers operators. Clones answer for the same host.
#[derive(Clone)]
pub struct Office {
    jobs: Jobs,
    current: Current,
}

impl Office {
    /// Answers for these jobs.
    pub fn new(jobs: Jobs, current: Current) -> Self {
        Self { jobs, current }
    }

    /// Answers a question.
    ///
    /// # Errors
    /// A job that is not there, or is at something else; a file that cannot be used.
    pub async fn answer(&self, ask: Ask) -> Result<Value, Failure> {
        match ask {
            Ask::List(filter) => self.list(filter).await,
            Ask::Show(id) => {
                let shown = self.jobs.show(&id).await.map_err(broken)?;
                let shown = shown.ok_or_else(|| unfit(&Unfit::Unknown(id)))?;
                Ok(self.whole(&shown))
            }
            Ask::Requeue(id) => {
                self.jobs.requeue(&id).await.map_err(broken)?.map_err(|why| unfit(&why))?;
                Ok(json!({ "id": id, "state": State::Ready }))
            }
            Ask::Cancel(id) => {
                self.jobs.cancel(&id).await.map_err(broken)?.map_err(|why| unfit(&why))?;
                Ok(json!({ "id": id, "state": State::Cancelled }))
            }
        }
    }

    async fn list(&self, filter: Filter) -> Result<Value, Failure> {
        // A host without jobs makes no file to say so.
        let (lines, tallies) = match self.jobs.exist() || self.jobs.are_used() {
            true => (self.jobs.list(filter).await.map_err(broken)?, self.jobs.tallies().await.map_err(broken)?),
            false => (Vec::new(), Vec::new()),
        };
        let lines: Vec<_> = lines.iter().map(|line| self.line(line)).collect();
        Ok(json!({ "jobs": lines, "counts": tallies, "schedules": self.schedules() }))
    }

    fn schedules(&self) -> Vec<Value> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis());
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let table = self.current.table();
        let of = |plugin: &std::sync::Arc<crate::registry::LivePlugin>| {
            let (tenant, name) = (plugin.owner.tenant.to_string(), plugin.name().to_owned());
            let line = |schedule: &crate::config::Schedule| {
                json!({
                    "tenant": tenant,
                    "plugin": name,
                    "cron": schedule.cron.pattern(),
                    "timezone": schedule.cron.zone(),
                    "path": schedule.path,
                    "next": schedule.cron.after(now).map(timestamp),
                })
            };
            plugin.manifest.schedules.iter().map(line).collect::<Vec<_>>()
        };
        table.plugins().flat_map(of).collect()
    }

    fn line(&self, line: &Line) -> Value {
        let mut value = serde_json::to_value(line).expect("a line is plain data");
        for name in ["made", "due", "deadline", "ended"] {
            if let Some(time) = value[name].as_i64() {
                value[name] = json!(timestamp(time));
            }
        }
        let waits = matches!(line.state, State::Ready | State::Waiting);
        if waits && self.current.table().find_plugin(&line.tenant, &line.plugin).is_none() {
            value["why"] = json!(format!("the plugin {} is not live", line.plugin));
        }
        value
    }

    fn whole(&self, shown: &Shown) -> Value {
        let mut value = self.line(&shown.line);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers = shown.headers.iter().map(|(name, value)| json!([name, text(value)]));
        value["headers"] = headers.collect();
        value["body_bytes"] = json!(shown.body.len());
        value["body"] = json!(text(&shown.body));
        value
    }
}

fn broken(broken: Broken) -> Failure {
    Failure::new(Code::Unavailable, broken.to_string())
}

fn unfit(unfit: &Unfit) -> Failure {
    let code = match unfit {
        Unfit::Unknown(_) => Code::NoRoute,
        Unfit::State(..) => Code::BadRequest,
    };
    Failure::new(code, unfit.to_string())
}

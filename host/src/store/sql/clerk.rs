//! The thread that keeps one connection: runs what its session asks, sets it back, waits for the next session.

use std::{
    collections::HashSet,
    io,
    path::PathBuf,
    sync::{
        Arc, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread,
    time::Duration,
};

use rustix::{process::setpriority_process, thread::gettid};

use super::{
    Order, Refusal, Resting, Run, Tenant,
    connection::File,
    flow::{Flow, Inbox},
    rows::Piece,
};

/// How long a connection stays open without a session.
const REST: Duration = Duration::from_secs(10);

/// How far below the runtime's priority statements compute: as far as what is computed in the compute lane does by default.
const NICE: i32 = 10;

/// Who keeps a connection.
pub(super) struct Clerk {
    path: PathBuf,
    database: Arc<str>,
    /// Not held: with the tenant goes the way to its clerks, and so the clerks.
    tenant: Weak<Tenant>,
    number: u64,
}

/// What a clerk has of its file.
enum Kept {
    /// It was not asked for yet.
    Nothing,
    File(Box<File>),
    /// It failed, and whatever its session had begun: until it ends it gets no other answer.
    Refused(Refusal),
}

impl Clerk {
    /// Starts the thread, and answers the way to it.
    pub(super) fn call(tenant: &Arc<Tenant>, database: &Arc<str>) -> io::Result<Sender<Order>> {
        static CALLED: AtomicU64 = AtomicU64::new(0);
        let clerk = Self {
            path: tenant.folder.join(format!("{database}.sqlite")),
            database: Arc::clone(database),
            tenant: Arc::downgrade(tenant),
            number: CALLED.fetch_add(1, Relaxed),
        };
        let (desk, inbox) = mpsc::channel();
        thread::Builder::new().name("wasmbay-sql".to_owned()).spawn(move || {
            // A thread that may not be reniced computes all the same, only less politely.
            let _ = setpriority_process(Some(gettid()), NICE);
            clerk.keep(Inbox::new(inbox));
        })?;
        Ok(desk)
    }

    fn keep(self, mut inbox: Inbox) {
        let mut kept = Kept::Nothing;
        while let Some(order) = self.next(&mut inbox) {
            match order {
                Order::Look => {}
                Order::Run(run) => self.run(&mut kept, &mut inbox, &run),
                Order::End(desk, seat) => {
                    // One that cannot be set back, or was never opened, is closed: its locks go with it.
                    let tenant = self.tenant.upgrade();
                    let rests = if let Kept::File(file) = &mut kept { file.reset() } else { false };
                    let (Some(tenant), true) = (tenant, rests) else {
                        drop(kept);
                        drop(seat);
                        return;
                    };
                    let rest = Resting { database: Arc::clone(&self.database), desk, number: self.number };
                    tenant.resting.lock().unwrap_or_else(PoisonError::into_inner).push(rest);
                    // Whoever gets it finds the connection at rest.
                    drop(seat);
                }
            }
        }
    }

    /// What is to be done next; nothing when nobody can ask any more.
    fn next(&self, inbox: &mut Inbox) -> Option<Order> {
        if let Some(order) = inbox.put_off.pop_front() {
            return Some(order);
        }
        loop {
            match inbox.new.recv_timeout(REST) {
                Ok(order) => return Some(order),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {
                    let tenant = self.tenant.upgrade()?;
                    let mut resting = tenant.resting.lock().unwrap_or_else(PoisonError::into_inner);
                    // Where it does not rest somebody has pinned it.
                    if let Some(place) = resting.iter().position(|rest| rest.number == self.number) {
                        resting.remove(place);
                        return None;
                    }
                }
            }
        }
    }

    fn run(&self, kept: &mut Kept, inbox: &mut Inbox, run: &Run) {
        if run.ticket.gone.load(Relaxed) {
            return;
        }
        let Some(tenant) = self.tenant.upgrade() else { return };
        if let Kept::Nothing = kept {
            *kept = self.open(&tenant).map_or_else(Kept::Refused, Kept::File);
        }
        match kept {
            Kept::File(file) => {
                let mut flow = Flow::new(run, &tenant.quota, inbox);
                let how = file.run(run, &mut flow);
                if let Err(broken @ Refusal::Broken(_)) = &how {
                    tracing::error!(file = %self.path.display(), error = file.trouble(), "a database cannot be used");
                    opening(&tenant).remove(&self.database);
                    *kept = Kept::Refused(broken.clone());
                }
                flow.end(how);
            }
            Kept::Refused(refusal) => drop(run.pieces.send(Piece::End(Err(refusal.clone())))),
            Kept::Nothing => {}
        }
    }

    /// Opens the file, or makes it if there may be one more.
    fn open(&self, tenant: &Tenant) -> Result<Box<File>, Refusal> {
        let mut begun_anew = opening(tenant);
        let opened = File::open(&self.path, &tenant.quota).and_then(|file| {
            // Where others use it, what is in the log is known to them, and written over where it failed.
            if let Some(file) = &file
                && !begun_anew.contains(&self.database)
                && file.begin_log_anew()?
            {
                begun_anew.insert(Arc::clone(&self.database));
            }
            Ok(file)
        });
        match opened {
            Ok(Some(file)) => Ok(Box::new(file)),
            Ok(None) => Err(Refusal::Databases(tenant.quota.databases)),
            Err(broken) => {
                tracing::error!(file = %self.path.display(), error = %broken, "a database cannot be opened");
                Err(Refusal::Broken(broken.for_guests()))
            }
        }
    }
}

fn opening(tenant: &Tenant) -> MutexGuard<'_, HashSet<Arc<str>>> {
    tenant.opening.lock().unwrap_or_else(PoisonError::into_inner)
}

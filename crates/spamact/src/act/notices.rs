//! Sending the notices that wait, and remembering which were sent.
//!
//! Takes the state that a run has left; sends outside of the lock of that run, since that may take long. A
//! notice that cannot be sent stays in the state for the next run.

use std::time::Instant;

use spamcore::error::chain;
use spamcore::messages::Messages;
use time::OffsetDateTime;

use super::Actor;
use crate::mail;
use crate::notice::{Envelope, Notice};
use crate::state::State;
use crate::system;
use crate::system::run_lock::RunLock;

/// Sends the notices that wait in `known`, except those that another run has sent meanwhile. Other runs may
/// act while this takes its time.
pub(super) fn send_all(actor: &Actor<'_>, known: &State, saved: bool, messages: &mut Messages) {
    let waiting = known.waiting();
    if waiting.is_empty() {
        return;
    }
    let sending = RunLock::acquire_to_send(&actor.store.dir, actor.store.root, actor.wait);
    if let Err(error @ system::Error::AnotherRun) = sending {
        return messages.fail(format!("notices wait: {}", chain(&error)));
    }
    let mut stuck = false;
    for (number, (account, kind, notice)) in waiting.into_iter().enumerate() {
        if saved && !update(actor, |state| state.is_waiting(&account, kind)).unwrap_or(true) {
            continue;
        }
        let started = Instant::now();
        let sent = if stuck { Err(None) } else { send(actor, &notice, number).map_err(Some) };
        match sent {
            Ok(()) => {
                let now = actor.now();
                if let Err(error) = update(actor, |state| state.notified(&account, kind, now)) {
                    messages.fail_with(&error);
                }
            }
            Err(error) => {
                let mailer = actor.mailer.as_ref();
                stuck |=
                    mailer.is_ok_and(|mailer| started.elapsed() > mailer.timeouts.give_up_after);
                let why = error.map_or_else(String::new, |error| format!(": {}", chain(&error)));
                let to = &actor.to;
                messages.fail(format!("{account}: no notice could be sent to {to}, it waits{why}"));
            }
        }
    }
}

/// Sends a notice; if a mail server refuses it, once more without the text that strangers wrote.
fn send(actor: &Actor<'_>, notice: &Notice, number: usize) -> Result<(), mail::Error> {
    let mailer = actor.mailer.as_ref().map_err(|why| mail::Error::Unusable(why.clone()))?;
    let at: OffsetDateTime = (actor.clock)();
    let id = format!("{}.{}.{number}", at.unix_timestamp(), actor.audit.process);
    let from = mailer.route.sender(&actor.host);
    let envelope = Envelope { from: &from, to: &actor.to, at, id: &id, host: &actor.host };
    match mailer.send(&actor.to, &notice.message(&envelope)) {
        Err(error) if error.is_refusal() => {
            mailer.send(&actor.to, &notice.brief().message(&envelope))
        }
        other => other,
    }
}

/// Changes the state on disk, while no other run can.
fn update<T>(actor: &Actor<'_>, change: impl FnOnce(&mut State) -> T) -> Result<T, system::Error> {
    let _lock = RunLock::acquire(&actor.store.dir, actor.store.root, actor.wait)?;
    let (mut state, _) = actor.store.load(actor.now())?;
    let result = change(&mut state);
    actor.store.save(&mut state)?;
    Ok(result)
}

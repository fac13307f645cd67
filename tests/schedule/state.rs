//! The states of a job, their words, and the table of transitions.

use std::collections::HashSet;

use bullock::job::state::{Event, Facts, STATES, State, Status, TRANSITIONS, status};

/// Everything reachable from `start` (`None` = a job that does not exist).
fn reachable(start: Option<State>) -> HashSet<Option<State>> {
    let mut seen = HashSet::new();
    let mut open = vec![start];
    while let Some(from) = open.pop() {
        for (_, _, to) in TRANSITIONS.iter().filter(|(known, ..)| *known == from) {
            // A job that is gone does not come back.
            if seen.insert(*to) && to.is_some() {
                open.push(*to);
            }
        }
    }
    seen
}

#[test]
fn every_state_is_reached_by_a_new_job_and_none_is_a_dead_end() {
    let from_new = reachable(None);
    for state in STATES {
        assert!(from_new.contains(&Some(state)), "{state} is never reached");
        let onward = reachable(Some(state));
        assert!(onward.contains(&None), "a job that is {state} can never be removed");
        assert!(onward.contains(&Some(State::Completed)), "a job that is {state} can never complete");
    }
}

#[test]
fn the_table_has_no_row_twice_and_only_active_jobs_end_by_themselves() {
    let rows: HashSet<_> = TRANSITIONS.iter().collect();
    assert_eq!(rows.len(), TRANSITIONS.len());
    for (from, event, _) in TRANSITIONS {
        if matches!(
            event,
            Event::Complete | Event::RetryNow | Event::RetryLater | Event::Recover | Event::StallOut
        ) {
            assert_eq!(*from, Some(State::Active), "{event:?}");
        }
    }
    let active: Vec<_> = State::Active.events().collect();
    assert!(active.contains(&Event::HandBack) && !active.contains(&Event::Remove), "{active:?}");
    assert_eq!(
        State::Paused.events().collect::<Vec<_>>(),
        [Event::Resume, Event::Cancel, Event::ForceDone, Event::Remove]
    );
}

#[test]
fn states_are_read_by_their_own_words_and_by_old_ones() {
    for state in STATES {
        assert_eq!(state.as_str().parse(), Ok(state));
        assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
    }
    for (word, state) in [
        ("in_progress", State::Active),
        ("PROCESSING", State::Active),
        ("complete", State::Completed),
        ("done", State::Completed),
        ("wait", State::Waiting),
        ("Failed", State::Failed),
    ] {
        assert_eq!(word.parse(), Ok(state), "{word}");
    }
    let error = "wating".parse::<State>().unwrap_err().to_string();
    assert!(error.starts_with("unknown state \"wating\": expected waiting, "), "{error}");
}

#[test]
fn the_status_tells_a_dead_worker_a_retry_a_cancel_and_a_partial_result_apart() {
    let facts = |state| Facts { state, attempts_made: 0, leased: false, cancelled: false, failed_items: 0 };
    assert_eq!(status(&facts(State::Waiting)), Status::Queued);
    assert_eq!(status(&facts(State::Paused)), Status::Queued);
    assert_eq!(status(&facts(State::Delayed)), Status::Scheduled);
    assert_eq!(status(&Facts { attempts_made: 1, ..facts(State::Delayed) }), Status::Retrying);
    assert_eq!(status(&Facts { attempts_made: 1, ..facts(State::Waiting) }), Status::Retrying);
    assert_eq!(status(&Facts { leased: true, ..facts(State::Active) }), Status::Running);
    assert_eq!(status(&facts(State::Active)), Status::Stalled);
    assert_eq!(status(&Facts { attempts_made: 3, ..facts(State::Completed) }), Status::Completed);
    assert_eq!(status(&Facts { failed_items: 2, ..facts(State::Completed) }), Status::Partial);
    assert_eq!(status(&facts(State::Failed)), Status::Failed);
    assert_eq!(status(&Facts { cancelled: true, ..facts(State::Failed) }), Status::Cancelled);
    assert_eq!(serde_json::to_value(Status::Partial).unwrap(), "partial");
}

use super::*;

fn persistence(write: bool) -> Persistence {
    Persistence {
        clock: Clock::at(std::time::UNIX_EPOCH),
        jitter: Jitter::seeded(1),
        attempt_timeout: Duration::from_secs(10),
        attempts: None,
        write,
    }
}

fn status(status: u16) -> Trouble {
    Trouble::Status { status, said: "x".to_owned(), retry_after: None, sealed: false, hint: None }
}

fn effort(span: Duration) -> Effort {
    let now = Instant::now();
    Effort::begin(now, Budget::of_call(now, span, None))
}

async fn try_with(
    persistence: &Persistence,
    span: Duration,
    mut answers: Vec<Trouble>,
) -> Result<u32, Tried> {
    answers.reverse();
    let effort = effort(span);
    persistence
        .run(&effort, |attempt| {
            let next = answers.pop();
            async move { next.map_or(Ok(attempt.number), Err) }
        })
        .await
}

#[tokio::test(start_paused = true)]
async fn what_passes_is_tried_again_until_it_works() {
    let passing = vec![
        Trouble::Wire(Failure::Refused),
        status(503),
        status(429),
        status(412),
        Trouble::Wire(Failure::TimedOut(Duration::from_secs(1))),
    ];
    assert_eq!(try_with(&persistence(false), Duration::from_secs(45), passing).await, Ok(6));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_pass_ends_at_once() {
    for trouble in [
        status(400),
        status(403),
        status(404),
        status(501),
        Trouble::Wire(Failure::Tls("expired".to_owned())),
        Trouble::Wire(Failure::TooBig(1)),
        Trouble::Malformed("HTML".to_owned()),
        Trouble::Redirect("to http".to_owned()),
    ] {
        let tried = try_with(&persistence(false), Duration::from_secs(45), vec![trouble.clone()])
            .await
            .expect_err("final");
        assert_eq!((tried.attempts, tried.ended, tried.last), (1, Ended::Final, Some(trouble)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_is_repeated_only_where_it_was_not_executed() {
    let sealed =
        Trouble::Status { status: 503, said: String::new(), retry_after: None, sealed: true, hint: None };
    let repeated = vec![Trouble::Wire(Failure::Refused), status(412), status(429), sealed];
    assert_eq!(try_with(&persistence(true), Duration::from_secs(45), repeated).await, Ok(5));
    for trouble in [
        status(500),
        status(503),
        Trouble::Wire(Failure::Broken("reset".to_owned())),
        Trouble::Wire(Failure::TimedOut(Duration::from_secs(1))),
        Trouble::Wire(Failure::Connect("no route".to_owned())),
    ] {
        let tried = try_with(&persistence(true), Duration::from_secs(45), vec![trouble])
            .await
            .expect_err("not repeated");
        assert_eq!(tried.attempts, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn it_ends_when_the_budget_is_spent_and_says_how_often_it_tried() {
    let began = Instant::now();
    let tried =
        try_with(&persistence(false), Duration::from_secs(45), vec![Trouble::Wire(Failure::Refused); 1_000])
            .await
            .expect_err("spent");
    assert_eq!(tried.ended, Ended::BudgetSpent);
    assert_eq!(began.elapsed(), Duration::from_secs(45));
    assert!((23..70).contains(&tried.attempts), "{}", tried.attempts);
    let text = tried.to_string();
    assert!(
        text.starts_with("connection refused (") && text.ends_with(" attempts in 45s); try again later"),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_servers_word_on_when_to_come_back_is_kept() {
    let busy = |secs| Trouble::Status {
        status: 429,
        said: "slow down".to_owned(),
        retry_after: Some(Duration::from_secs(secs)),
        sealed: false,
        hint: None,
    };
    let began = Instant::now();
    assert_eq!(try_with(&persistence(false), Duration::from_secs(45), vec![busy(7)]).await, Ok(2));
    assert!(began.elapsed() >= Duration::from_secs(7), "{:?}", began.elapsed());
    let began = Instant::now();
    let tried = try_with(&persistence(false), Duration::from_secs(45), vec![busy(60)])
        .await
        .expect_err("beyond the budget");
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(
        tried.to_string(),
        "429 slow down; it asks to wait 60s (Retry-After), longer than this mount may take"
    );
}

#[tokio::test(start_paused = true)]
async fn no_more_attempts_than_allowed() {
    let twice = Persistence { attempts: Some(2), ..persistence(false) };
    let tried =
        try_with(&twice, Duration::from_secs(45), vec![status(500); 9]).await.expect_err("often enough");
    assert_eq!((tried.attempts, tried.ended), (2, Ended::OftenEnough));
}

#[tokio::test(start_paused = true)]
async fn attempts_at_another_request_of_the_same_work_do_not_count() {
    let twice = Persistence { attempts: Some(2), ..persistence(false) };
    let effort = effort(Duration::from_secs(45));
    for attempts in [2, 4] {
        let outcome = twice.run(&effort, |_| async { Err::<(), _>(status(500)) }).await;
        assert_eq!(outcome.expect_err("often enough").attempts, attempts);
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_the_budget_cut_short_does_not_hide_why_those_before_it_failed() {
    let effort = effort(Duration::from_secs(5));
    let tried = persistence(false)
        .run(&effort, |attempt| async move {
            if attempt.number < 3 {
                return Err::<(), _>(status(503));
            }
            tokio::time::sleep(attempt.timeout).await;
            Err(Trouble::Wire(Failure::TimedOut(attempt.timeout)))
        })
        .await
        .expect_err("spent");
    assert_eq!((tried.attempts, tried.ended, tried.last), (3, Ended::BudgetSpent, Some(status(503))));
}

#[tokio::test(start_paused = true)]
async fn each_who_waits_has_a_budget_of_its_own_and_the_work_goes_on_for_the_most_patient() {
    let now = Instant::now();
    let (hasty, patient) = (
        Budget::of_call(now, Duration::from_secs(1), None),
        Budget::of_call(now, Duration::from_secs(9), None),
    );
    let effort = Effort::begin(now, hasty);
    let shared = effort.clone();
    let task = SharedTask::spawn(async move {
        persistence(false).run(&shared, |_| async { Err::<(), _>(Trouble::Wire(Failure::Refused)) }).await
    });
    effort.join(patient);
    let clock = Clock::at(std::time::UNIX_EPOCH);
    let first = effort.wait(&task, hasty, clock, |tried| tried).await.expect("no panic").expect_err("spent");
    assert_eq!(now.elapsed(), Duration::from_secs(1) + LAST_WORD);
    assert_eq!((first.ended, first.last), (Ended::BudgetSpent, Some(Trouble::Wire(Failure::Refused))));
    effort.wait(&task, patient, clock, |tried| tried).await.expect("no panic").expect_err("spent");
    assert_eq!(now.elapsed(), Duration::from_secs(9));
}

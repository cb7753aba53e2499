//! Who may answer for an overridden sensor: names with a PIN, of which the configuration holds the hash alone.

use argon2::{
    Argon2,
    password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString, rand_core::OsRng},
};
use serde::Deserialize;
use std::time::{Duration, Instant};

/// So many wrong PINs, and nobody is asked for a while.
const WRONG: u32 = 5;
const PAUSE: Duration = Duration::from_secs(60);
/// A PIN must be so long, in characters.
const SHORTEST: usize = 6;

/// One of the configuration's `[[persons]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Person {
    pub(crate) name: String,
    /// As `platen-station pin` prints it.
    pin: String,
}

/// Those who may answer, and how often somebody guessed.
#[derive(Debug, Default)]
pub(crate) struct Persons {
    all: Vec<Person>,
    wrong: u32,
    asked_again: Option<Instant>,
}

impl Persons {
    pub(crate) fn new(all: Vec<Person>) -> Self {
        Self { all, wrong: 0, asked_again: None }
    }

    /// All who were asked for have been proved: guessing begins anew. Not before, or who has a PIN could guess another's.
    pub(crate) fn all_proved(&mut self) {
        self.wrong = 0;
    }

    /// Nothing if the PIN is this person's. Takes some 50 ms, on purpose.
    pub(crate) fn prove(&mut self, now: Instant, name: &str, pin: &str) -> Result<(), String> {
        if self.asked_again.is_some_and(|at| now < at) {
            return Err(format!("too many wrong PINs; try again in {} s", PAUSE.as_secs()));
        }
        let known = self.all.iter().find(|person| person.name == name);
        let good = known.is_some_and(|person| {
            PasswordHash::new(&person.pin)
                .is_ok_and(|hash| Argon2::default().verify_password(pin.as_bytes(), &hash).is_ok())
        });
        if good {
            return Ok(());
        }
        self.wrong += 1;
        if self.wrong >= WRONG {
            (self.wrong, self.asked_again) = (0, Some(now + PAUSE));
        }
        // Not which of the two is wrong.
        Err(format!("name or PIN of {name:?} is wrong"))
    }
}

/// Names are given once, hashes are ones.
pub(crate) fn check(persons: &[Person]) -> Result<(), String> {
    for (i, person) in persons.iter().enumerate() {
        if person.name.trim().is_empty() {
            return Err("persons: a name is empty".into());
        }
        if persons[..i].iter().any(|other| other.name == person.name) {
            return Err(format!("persons: {:?} is there twice", person.name));
        }
        PasswordHash::new(&person.pin).map_err(|e| {
            format!("persons: the pin of {:?} is none that `platen-station pin` prints ({e})", person.name)
        })?;
    }
    Ok(())
}

/// What stands in the configuration for a PIN.
pub(crate) fn hash(pin: &str) -> Result<String, String> {
    if pin.chars().count() < SHORTEST {
        return Err(format!("a PIN has at least {SHORTEST} characters"));
    }
    let salt = SaltString::generate(&mut OsRng);
    Ok(Argon2::default().hash_password(pin.as_bytes(), &salt).map_err(|e| e.to_string())?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_proved_by_the_pin_and_guessing_is_slow() {
        let now = Instant::now();
        assert!(hash("12345").unwrap_err().contains("6 characters"));
        let person = Person { name: "wang".into(), pin: hash("482915").unwrap() };
        check(std::slice::from_ref(&person)).unwrap();
        assert!(check(&[person.clone(), person.clone()]).unwrap_err().contains("twice"));
        let plain = Person { name: "li".into(), pin: "482915".into() };
        assert!(check(&[plain]).unwrap_err().contains("platen-station pin"));

        let mut persons = Persons::new(vec![person]);
        assert_eq!(persons.prove(now, "wang", "482915"), Ok(()));
        assert!(persons.prove(now, "nobody", "482915").unwrap_err().contains("name or PIN"));
        for _ in 1..WRONG {
            persons.prove(now, "wang", "000000").unwrap_err();
        }
        assert!(persons.prove(now, "wang", "482915").unwrap_err().contains("too many"));
        assert_eq!(persons.prove(now + PAUSE, "wang", "482915"), Ok(()));

        persons.all_proved();
        for _ in 0..WRONG {
            persons.prove(now + PAUSE, "wang", "482915").unwrap();
            persons.prove(now + PAUSE, "chen", "000000").unwrap_err();
        }
        assert!(
            persons.prove(now + PAUSE, "wang", "482915").unwrap_err().contains("too many"),
            "one good PIN helps nobody"
        );
    }
}

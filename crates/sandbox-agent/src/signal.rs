//! Signals by their names in SSH.

use russh::Sig;
use sandbox_isolation::Signal;

/// Which signal a peer asks to send; `None` for names that mean nothing here.
pub(crate) fn requested(name: &Sig) -> Option<Signal> {
    Some(match name {
        Sig::ABRT => Signal::ABORT,
        Sig::ALRM => Signal::ALARM,
        Sig::FPE => Signal::FPE,
        Sig::HUP => Signal::HUP,
        Sig::ILL => Signal::ILL,
        Sig::INT => Signal::INT,
        Sig::KILL => Signal::KILL,
        Sig::PIPE => Signal::PIPE,
        Sig::QUIT => Signal::QUIT,
        Sig::SEGV => Signal::SEGV,
        Sig::TERM => Signal::TERM,
        Sig::USR1 => Signal::USR1,
        Sig::Custom(name) => match name.as_str() {
            "USR2" => Signal::USR2,
            "CONT" => Signal::CONT,
            "STOP" => Signal::STOP,
            "TSTP" => Signal::TSTP,
            "WINCH" => Signal::WINCH,
            _ => return None,
        },
    })
}

/// The name under which the end of a command by this signal is reported.
pub(crate) fn reported(number: i32) -> Sig {
    let named = [
        (Signal::ABORT, Sig::ABRT),
        (Signal::ALARM, Sig::ALRM),
        (Signal::FPE, Sig::FPE),
        (Signal::HUP, Sig::HUP),
        (Signal::ILL, Sig::ILL),
        (Signal::INT, Sig::INT),
        (Signal::KILL, Sig::KILL),
        (Signal::PIPE, Sig::PIPE),
        (Signal::QUIT, Sig::QUIT),
        (Signal::SEGV, Sig::SEGV),
        (Signal::TERM, Sig::TERM),
        (Signal::USR1, Sig::USR1),
        (Signal::USR2, Sig::Custom("USR2".to_owned())),
        (Signal::BUS, Sig::Custom("BUS".to_owned())),
        (Signal::SYS, Sig::Custom("SYS".to_owned())),
        (Signal::TRAP, Sig::Custom("TRAP".to_owned())),
        (Signal::XCPU, Sig::Custom("XCPU".to_owned())),
        (Signal::XFSZ, Sig::Custom("XFSZ".to_owned())),
    ];
    let known = named.into_iter().find(|(signal, _)| signal.as_raw() == number);
    // The standard's form for names that are not its own.
    known.map_or_else(|| Sig::Custom(format!("{number}@sandbox")), |(_, name)| name)
}

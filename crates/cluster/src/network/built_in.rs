//! The network of one machine, where no file says otherwise.

use super::Network;

/// Two of each service on this machine; the first is preferred.
pub(super) const TEXT: &str = "\
stack: evergate
nodes:
  local: { address: 127.0.0.1 }
instances:
  administration1: { service: administration, node: local, priority: 1 }
  administration2: { service: administration, node: local, priority: 2 }
  policy1:         { service: policy, node: local, priority: 1 }
  policy2:         { service: policy, node: local, priority: 2 }
  authentication1: { service: authentication, node: local, priority: 1 }
  authentication2: { service: authentication, node: local, priority: 2 }
  distribution1:   { service: distribution, node: local, priority: 1 }
  distribution2:   { service: distribution, node: local, priority: 2 }
  access-point1:   { service: access-point, node: local, priority: 1 }
  access-point2:   { service: access-point, node: local, priority: 2 }
";

impl Network {
    /// Two of each service on this machine.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test parses this very text")]
    pub fn built_in() -> Self {
        Self::parse(TEXT).expect("the built-in network holds together")
    }
}

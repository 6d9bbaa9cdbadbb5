//! Which instances there are, and where: what `network.yml` says, as `evergate up` and `evergate cluster deploy`
//! tell it.

use std::collections::BTreeMap;

use evergate_model::{Name, Timestamp, Topology};
use evergate_process::bootstrap::ListenerSource;
use evergate_store::{Actor, Tx, installation, instances};

use crate::Failure;

/// Takes it over; whether callers must be told. Instances that are in it no more, or run another service, are
/// admitted no more.
///
/// # Errors
/// When the database fails.
pub(crate) async fn adopt(
    tx: &mut Tx,
    actor: &Actor,
    now: Timestamp,
    topology: &Topology,
    listeners: &BTreeMap<Name, Vec<ListenerSource>>,
) -> Result<bool, Failure> {
    let mut is_changed = installation::set_topology(tx, actor, now, topology).await?;
    for admitted in instances::admitted(tx).await? {
        if topology.find(&admitted.instance).is_none_or(|known| known.service != admitted.service) {
            is_changed |= instances::dismiss(tx, actor, now, &admitted.instance).await?;
        }
    }
    for (instance, listeners) in listeners {
        let text = serde_json::to_string(listeners).map_err(|error| Failure::crypto("listeners")(&error))?;
        instances::set_listeners(tx, instance, &text).await?;
    }
    Ok(is_changed)
}

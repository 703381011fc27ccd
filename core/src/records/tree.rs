//! The MAC tree: every entity under one root, so that absence shows as plainly as change.
//!
//! An entity's MAC covers its rows. Entities fall into 65,536 leaves by a hash of their name; a leaf's MAC
//! covers the MACs of its entities, a node's MAC its up to 256 leaves, and the root's MAC the up to 256
//! nodes, the generation and the head of the audit chain. Empty leaves and nodes are not stored. Checking or
//! changing one entity touches one leaf, one node and the root, however many keys there are.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

use crate::error::{Error, Result};
use crate::format::Encoding;
use crate::primitives::{HmacKey, equal};
use crate::records::children::{Children, Mac};
use crate::records::entity::KeyRows;
use crate::records::images::Images;
use crate::records::rows::EntityRow;
use crate::records::{EntityId, EntityKind, Rows, StoreRow};

/// A store whose root was verified in this transaction.
pub(crate) struct Tree<'a> {
    rows: &'a dyn Rows,
    records_key: &'a HmacKey,
    root: Root,
    verified: bool,
    /// The rows of entities as they are known to be: as they were verified or authenticated in this transaction.
    known: RefCell<HashMap<(EntityKind, String), Images>>,
}

/// The store's own row, verified, and the nodes under it. It may be kept for as long as nobody commits.
#[derive(Clone, Debug)]
pub(crate) struct Root {
    store: StoreRow,
    nodes: Children,
}

impl Root {
    pub(crate) fn store(&self) -> &StoreRow {
        &self.store
    }
}

impl<'a> Tree<'a> {
    /// Reads the store's row and verifies the root. IntegrityError where it does not.
    pub(crate) fn verify(rows: &'a dyn Rows, records_key: &'a HmacKey) -> Result<Self> {
        Self::verify_store(rows, records_key, rows.store()?)
    }

    /// As [`Tree::verify`], of a store's row that was just read.
    pub(crate) fn verify_store(
        rows: &'a dyn Rows,
        records_key: &'a HmacKey,
        store: StoreRow,
    ) -> Result<Self> {
        if !equal(&root_mac(records_key, &store), &store.root) {
            return Err(damaged_root());
        }
        let nodes = Children::unpack(store.nodes.clone()).ok_or_else(damaged_root)?;
        Ok(Self { rows, records_key, root: Root { store, nodes }, verified: true, known: RefCell::default() })
    }

    /// Under a root that was verified with this key, since when nobody has committed.
    pub(crate) fn under(rows: &'a dyn Rows, records_key: &'a HmacKey, root: Root) -> Self {
        Self { rows, records_key, root, verified: true, known: RefCell::default() }
    }

    /// A store that has nothing yet; [`Tree::seal`] writes its first root.
    pub(crate) fn empty(rows: &'a dyn Rows, records_key: &'a HmacKey, store: StoreRow) -> Self {
        Self {
            rows,
            records_key,
            root: Root { store, nodes: Children::default() },
            verified: true,
            known: RefCell::default(),
        }
    }

    /// For showing what the rows say where there is no key to verify them with. Nothing may be written through it.
    pub(crate) fn unverified(rows: &'a dyn Rows) -> Result<Self> {
        static NO_KEY: OnceLock<HmacKey> = OnceLock::new();
        let records_key = NO_KEY.get_or_init(|| HmacKey::new(&[]));
        let root = Root { store: rows.store()?, nodes: Children::default() };
        Ok(Self { rows, records_key, root, verified: false, known: RefCell::default() })
    }

    /// Whether what it shows is verified.
    pub(crate) fn is_verified(&self) -> bool {
        self.verified
    }

    pub(crate) fn store(&self) -> &StoreRow {
        &self.root.store
    }

    pub(crate) fn root(&self) -> &Root {
        &self.root
    }

    pub(crate) fn rows(&self) -> &'a dyn Rows {
        self.rows
    }

    /// Verifies the entity's rows. Its MAC, or `None` where it verifiably does not exist.
    pub(crate) fn verify_entity(&self, entity: EntityId<'_>) -> Result<Option<Mac>> {
        if !self.verified {
            return self.computed_mac(entity);
        }
        let stored = self.stored_mac(entity)?;
        let rows = entity.read(self.rows)?;
        let computed = rows.as_ref().map(|rows| self.mac(&rows.content(entity)));
        let mac = verified_mac(entity, stored, computed)?;
        self.know(entity, || rows.map_or_else(|| Some(Images::default()), |rows| rows.images()))?;
        Ok(mac)
    }

    /// As [`Tree::verify_entity`], of a key, with the rows that were verified.
    pub(crate) fn verify_key(&self, key_id: &str) -> Result<Option<(KeyRows, Mac)>> {
        let entity = EntityId::key(key_id);
        let stored = if self.verified { self.stored_mac(entity)? } else { None };
        let Some(rows) = KeyRows::read(self.rows, key_id)? else {
            return verified_mac(entity, stored, None).map(|_| None);
        };
        let computed = self.mac(&rows.content());
        let stored = if self.verified { stored } else { Some(computed) };
        let mac = verified_mac(entity, stored, Some(computed))?;
        self.know(entity, || rows.images())?;
        Ok(mac.map(|mac| (rows, mac)))
    }

    /// Keeps an entity's rows for [`Tree::authenticate`], where anything may be written.
    fn know(&self, entity: EntityId<'_>, rows: impl FnOnce() -> Option<Images>) -> Result<()> {
        if self.rows.changes().is_some() {
            let rows = rows().ok_or_else(|| entity.damaged())?;
            self.known.borrow_mut().insert((entity.kind, entity.id.to_owned()), rows);
        }
        Ok(())
    }

    /// The rows that the entity is to have by now: as it was verified, with what was written since. One that nobody
    /// verified has no others.
    fn take_known(&self, entity: EntityId<'_>) -> Images {
        let known = self.known.borrow_mut().remove(&(entity.kind, entity.id.to_owned()));
        let changes = self.rows.changes().map(|changes| changes.take(entity));
        known.unwrap_or_default().changed(changes.unwrap_or_default())
    }

    /// Whether the entity was set aside. The tree itself says so: nobody without the KEK can.
    fn is_quarantined(&self, entity: EntityId<'_>) -> Result<bool> {
        if entity.kind == EntityKind::Quarantine {
            return Ok(false);
        }
        let id = format!("{}/{}", entity.kind.name(), entity.id);
        Ok(self.stored_mac(EntityId::quarantine(&id))?.is_some())
    }

    /// Takes the entity's rows under the tree: those that were verified in this transaction, with what it has written
    /// since. IntegrityError where the file gives others. What is already in its leaf and node is verified first.
    pub(crate) fn authenticate(&mut self, entity: EntityId<'_>) -> Result<()> {
        let bucket = entity.bucket();
        let mut leaves = self.verified_leaves(node_of(bucket))?;
        let mut entities = self.verified_bucket(bucket, &leaves, entity)?;
        let rows = entity.read(self.rows)?.ok_or_else(|| Error::internal("an entity without rows"))?;
        let known = self.take_known(entity);
        if rows.images().as_ref() != Some(&known) {
            return Err(entity.damaged());
        }
        self.know(entity, || Some(known))?;
        let mac = self.mac(&rows.content(entity));
        let row = EntityRow { kind: entity.kind, id: entity.id.to_owned(), mac };
        self.rows.put_entity(bucket, &row)?;
        match entities.iter_mut().find(|other| (other.kind, other.id.as_str()) == (entity.kind, entity.id)) {
            Some(known) => *known = row,
            None => entities.push(row),
        }
        entities.sort_by(|a, b| (a.kind.name(), &a.id).cmp(&(b.kind.name(), &b.id)));
        leaves.insert(leaf_of(bucket), self.leaf_mac(bucket, &entities));
        self.put_node(node_of(bucket), &leaves)?;
        Ok(())
    }

    /// Takes an entity, whose rows are gone or no longer count, out of the tree. What is in its leaf and node is
    /// verified first.
    pub(crate) fn remove(&mut self, entity: EntityId<'_>) -> Result<()> {
        let bucket = entity.bucket();
        let node = node_of(bucket);
        let mut leaves = self.verified_leaves(node)?;
        let mut entities = self.verified_bucket(bucket, &leaves, entity)?;
        entities.retain(|other| (other.kind, other.id.as_str()) != (entity.kind, entity.id));
        self.take_known(entity);
        self.rows.delete_entity(bucket, entity.kind, entity.id)?;
        if entities.is_empty() {
            leaves.remove(leaf_of(bucket));
        } else {
            leaves.insert(leaf_of(bucket), self.leaf_mac(bucket, &entities));
        }
        if leaves.is_empty() {
            self.rows.delete_node(node)?;
            self.root.nodes.remove(node);
            Ok(())
        } else {
            self.put_node(node, &leaves)
        }
    }

    /// Changes the store's own row; it is written by [`Tree::seal`].
    pub(crate) fn store_mut(&mut self) -> &mut StoreRow {
        &mut self.root.store
    }

    /// Writes the store's row under a new root.
    pub(crate) fn seal(&mut self) -> Result<()> {
        let Root { store, nodes } = &mut self.root;
        store.nodes = nodes.packed().to_vec();
        store.root = root_mac(self.records_key, store);
        self.rows.put_store(store)
    }

    /// Every entity that the tree knows, its leaf and node verified; what does not verify is handed to `report`.
    pub(crate) fn each_entity(
        &self,
        visit: &mut dyn FnMut(EntityId<'_>) -> Result<()>,
        report: &mut dyn FnMut(Error),
    ) -> Result<()> {
        if !self.verified {
            for (kind, id) in self.rows.stored_entities()? {
                visit(EntityId { kind, id: &id })?;
            }
            return Ok(());
        }
        for node in self.root.nodes.numbers() {
            let leaves = match self.verified_leaves(node) {
                Ok(leaves) => leaves,
                Err(error) => {
                    report(error);
                    continue;
                }
            };
            for leaf in leaves.numbers() {
                let bucket = u16::from_be_bytes([node, leaf]);
                let entities = self.rows.bucket(bucket)?;
                if leaves.get(leaf).is_none_or(|mac| !equal(mac, &self.leaf_mac(bucket, &entities))) {
                    report(damaged_leaf(bucket));
                    continue;
                }
                for row in &entities {
                    visit(EntityId { kind: row.kind, id: &row.id })?;
                }
            }
        }
        Ok(())
    }

    /// Verifies the entity's rows against the MAC that [`Tree::each_verified`] gave for it under this root.
    pub(crate) fn verify_against(&self, entity: EntityId<'_>, mac: &Mac) -> Result<()> {
        if !self.verified {
            return Ok(());
        }
        match self.computed_mac(entity)? {
            Some(computed) if equal(&computed, mac) => Ok(()),
            _ => Err(entity.damaged()),
        }
    }

    /// Every entity of the tree with its bucket and MAC, all leaves and nodes verified, in one pass over the rows and in
    /// their order. The first that does not verify is the error.
    pub(crate) fn each_verified(&self, visit: &mut dyn FnMut(u16, EntityRow) -> Result<()>) -> Result<()> {
        if !self.verified {
            for (kind, id) in self.rows.stored_entities()? {
                let bucket = EntityId { kind, id: &id }.bucket();
                visit(bucket, EntityRow { kind, id, mac: Mac::default() })?;
            }
            return Ok(());
        }
        let mut leaves = Vec::new();
        for node in self.root.nodes.numbers() {
            let of_node = self.verified_leaves(node)?;
            leaves.extend(of_node.iter().map(|(leaf, mac)| (u16::from_be_bytes([node, leaf]), *mac)));
        }
        if self.rows.stored_nodes()?.len() != self.root.nodes.len() {
            return Err(Error::integrity("a node of the MAC tree was added, or is damaged"));
        }
        let mut leaves = leaves.into_iter();
        let mut bucket = None;
        let mut entities = Vec::new();
        let mut finish = |bucket: Option<u16>, entities: &mut Vec<EntityRow>| {
            let Some(bucket) = bucket else { return Ok(()) };
            match leaves.next() {
                Some((leaf, mac)) if leaf == bucket && equal(&mac, &self.leaf_mac(bucket, &*entities)) => {
                    entities.drain(..).try_for_each(|row| visit(bucket, row))
                }
                _ => Err(damaged_leaf(bucket)),
            }
        };
        self.rows.each_entity(&mut |next, row| {
            if bucket != Some(next) {
                finish(bucket.replace(next), &mut entities)?;
            }
            entities.push(row);
            Ok(())
        })?;
        finish(bucket, &mut entities)?;
        match leaves.next() {
            None => Ok(()),
            Some((leaf, _)) => Err(damaged_leaf(leaf)),
        }
    }

    /// Whether the tree has a place for this node or bucket; for finding rows that nothing covers.
    pub(crate) fn covers_bucket(&self, bucket: u16) -> Result<bool> {
        if !self.covers_node(node_of(bucket)) {
            return Ok(false);
        }
        Ok(self.verified_leaves(node_of(bucket))?.get(leaf_of(bucket)).is_some())
    }

    pub(crate) fn covers_node(&self, node: u8) -> bool {
        self.root.nodes.get(node).is_some()
    }

    /// The MAC that this tree gives to some content.
    pub(super) fn mac(&self, content: &Encoding) -> Mac {
        self.records_key.mac(&[content.as_bytes()])
    }

    /// The same store under another records key, with these entities and no others, which come in order of bucket, kind
    /// and id. [`Tree::seal`] writes its root.
    pub(super) fn regrown<'b>(
        &self,
        records_key: &'b HmacKey,
        entities: &[(u16, EntityRow)],
    ) -> Result<Tree<'b>>
    where
        'a: 'b,
    {
        let mut tree = Tree::empty(self.rows, records_key, self.root.store.clone());
        self.rows.replace_entities(entities)?;
        let mut nodes: BTreeMap<u8, Children> = BTreeMap::new();
        for bucket in entities.chunk_by(|one, next| one.0 == next.0) {
            let number = bucket[0].0;
            let leaf = tree.leaf_mac(number, bucket.iter().map(|(_, row)| row));
            nodes.entry(node_of(number)).or_default().insert(leaf_of(number), leaf);
        }
        for (node, leaves) in &nodes {
            tree.put_node(*node, leaves)?;
        }
        for node in self.root.nodes.numbers().filter(|node| !nodes.contains_key(node)) {
            self.rows.delete_node(node)?;
        }
        Ok(tree)
    }

    /// The stored MAC of an entity, its leaf and node verified. An error where it was set aside.
    fn stored_mac(&self, entity: EntityId<'_>) -> Result<Option<Mac>> {
        let bucket = entity.bucket();
        let leaves = self.verified_leaves(node_of(bucket))?;
        let entities = self.verified_bucket(bucket, &leaves, entity)?;
        let found = entities.iter().find(|row| (row.kind, row.id.as_str()) == (entity.kind, entity.id));
        match found {
            None if self.is_quarantined(entity)? => Err(entity.quarantined()),
            found => Ok(found.map(|row| row.mac)),
        }
    }

    fn computed_mac(&self, entity: EntityId<'_>) -> Result<Option<Mac>> {
        Ok(entity.read(self.rows)?.map(|rows| self.mac(&rows.content(entity))))
    }

    fn verified_leaves(&self, node: u8) -> Result<Children> {
        let damaged = || Error::integrity(format!("node {node} of the MAC tree was changed or is damaged"));
        let packed = self.rows.node_leaves(node)?;
        match self.root.nodes.get(node) {
            None if packed.is_empty() => Ok(Children::default()),
            Some(mac) if equal(mac, &self.node_mac(node, &packed)) => {
                Children::unpack(packed).ok_or_else(damaged)
            }
            _ => Err(damaged()),
        }
    }

    fn put_node(&mut self, node: u8, leaves: &Children) -> Result<()> {
        self.rows.put_node_leaves(node, leaves.packed())?;
        self.root.nodes.insert(node, self.node_mac(node, leaves.packed()));
        Ok(())
    }

    fn verified_bucket(
        &self,
        bucket: u16,
        leaves: &Children,
        entity: EntityId<'_>,
    ) -> Result<Vec<EntityRow>> {
        let entities = self.rows.bucket(bucket)?;
        match leaves.get(leaf_of(bucket)) {
            None if entities.is_empty() => Ok(entities),
            Some(mac) if equal(mac, &self.leaf_mac(bucket, &entities)) => Ok(entities),
            _ => Err(entity.damaged()),
        }
    }

    fn leaf_mac<'r>(&self, bucket: u16, entities: impl IntoIterator<Item = &'r EntityRow>) -> Mac {
        let mut encoding = Encoding::new("keyfold/v1/leaf").integer(bucket.into());
        for row in entities {
            encoding = encoding.text(row.kind.name()).text(&row.id).bytes(&row.mac);
        }
        self.records_key.mac(&[encoding.as_bytes()])
    }

    fn node_mac(&self, node: u8, packed: &[u8]) -> Mac {
        let encoding = Encoding::new("keyfold/v1/node").integer(node.into()).bytes(packed);
        self.records_key.mac(&[encoding.as_bytes()])
    }
}

fn root_mac(records_key: &HmacKey, store: &StoreRow) -> Mac {
    let encoding = Encoding::new("keyfold/v1/root")
        .integer(store.format.into())
        .bytes(&store.store_id)
        .integer(store.created_at)
        .integer(store.generation as i64)
        .integer(store.kek_version.into())
        .bytes(&store.wraps_signature)
        .integer(store.development.into())
        .integer(store.copied.into())
        .integer(store.purge_pending.into())
        .integer(store.audit_sequence as i64)
        .bytes(&store.audit_hash)
        .bytes(&store.nodes);
    records_key.mac(&[encoding.as_bytes()])
}

/// The MAC where what is stored and what the rows give are one, `None` where there is neither.
fn verified_mac(entity: EntityId<'_>, stored: Option<Mac>, computed: Option<Mac>) -> Result<Option<Mac>> {
    match (stored, computed) {
        (None, None) => Ok(None),
        (Some(stored), Some(computed)) if equal(&stored, &computed) => Ok(Some(stored)),
        _ => Err(entity.damaged()),
    }
}

fn damaged_root() -> Error {
    Error::integrity(
        "the store's root does not verify: it was changed by someone without the master key, or is damaged; \
         keep the file and restore a backup",
    )
}

fn damaged_leaf(bucket: u16) -> Error {
    Error::integrity(format!("leaf {bucket} of the MAC tree was changed or is damaged"))
}

fn node_of(bucket: u16) -> u8 {
    bucket.to_be_bytes()[0]
}

fn leaf_of(bucket: u16) -> u8 {
    bucket.to_be_bytes()[1]
}

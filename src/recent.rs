//! A map that keeps the entries used last and forgets the others.

use std::collections::HashMap;
use std::hash::Hash;

/// At most `capacity` entries; a new one takes the place of the one that was unused for longest.
#[derive(Debug)]
pub struct Recent<K, V> {
    entries: HashMap<K, (u64, V)>,
    capacity: usize,
    uses: u64,
}

impl<K: Eq + Hash + Clone, V> Recent<K, V> {
    /// An empty map. A capacity of 0 keeps nothing.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { entries: HashMap::new(), capacity, uses: 0 }
    }

    /// The value of a key, marked as used now.
    pub fn touch(&mut self, key: &K) -> Option<&mut V> {
        self.uses += 1;
        let uses = self.uses;
        self.entries.get_mut(key).map(|(used, value)| {
            *used = uses;
            value
        })
    }

    /// Keeps a value; answers the one it takes the place of (the key's own, or one that was unused for longest).
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.uses += 1;
        if self.capacity == 0 {
            return Some(value);
        }
        if let Some((_, old)) = self.entries.insert(key, (self.uses, value)) {
            return Some(old);
        }
        if self.entries.len() <= self.capacity {
            return None;
        }
        let oldest = self.entries.iter().min_by_key(|(_, (used, _))| *used).map(|(key, _)| key.clone())?;
        self.entries.remove(&oldest).map(|(_, value)| value)
    }

    /// Forgets a key.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.entries.remove(key).map(|(_, value)| value)
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True when none is kept.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_unused_for_longest_makes_room() {
        let mut map = Recent::with_capacity(2);
        assert_eq!(map.insert("a", 1), None);
        assert_eq!(map.insert("b", 2), None);
        assert_eq!(map.touch(&"a"), Some(&mut 1));
        assert_eq!(map.insert("c", 3), Some(2));
        assert_eq!(map.touch(&"b"), None);
        assert_eq!(map.insert("a", 4), Some(1));
        assert_eq!(map.len(), 2);
        assert_eq!(map.remove(&"a"), Some(4));
    }

    #[test]
    fn a_map_without_room_keeps_nothing() {
        let mut map = Recent::with_capacity(0);
        assert_eq!(map.insert("a", 1), Some(1));
        assert!(map.is_empty());
    }
}

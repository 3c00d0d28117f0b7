import { admin, adminOrMember, adminOrReader, anyone, either, projectReader, type Policies } from '@virga/rest';
import { metadefPolicies } from '../metadefs/metadef';

/** Glance's rule names and secure defaults. Visibility is decided before: what may not be seen is 404. */
export const imagePolicies: Policies = {
  ...metadefPolicies,
  get_images: { check: either(admin, (context) => context.roleNames.has('reader')), description: 'List images.' },
  get_image: { check: either(admin, (context) => context.roleNames.has('reader')), description: 'Show an image that is visible to the caller.' },
  add_image: { check: adminOrMember, description: 'Create an image in the own project.' },
  modify_image: { check: adminOrMember, description: 'Change an image of the own project.' },
  delete_image: { check: adminOrMember, description: 'Delete an image of the own project.' },
  publicize_image: { check: admin, description: 'Make an image public.' },
  communitize_image: { check: adminOrMember, description: 'Make an image a community image.' },
  upload_image: { check: adminOrMember, description: 'Upload data.' },
  download_image: { check: either(admin, (context) => context.roleNames.has('member')), description: 'Download the data of a visible image.' },
  deactivate: { check: adminOrMember, description: 'Stop downloads of an image.' },
  reactivate: { check: adminOrMember, description: 'Allow downloads again.' },
  get_members: { check: either(adminOrReader, projectReader), description: 'List members of a shared image.' },
  add_member: { check: adminOrMember, description: 'Share an image with a project.' },
  modify_member: { check: adminOrMember, description: 'Accept or reject an image as its member.' },
  delete_member: { check: adminOrMember, description: 'Stop sharing with a project.' },
  versions: { check: anyone, description: 'Version documents.' },
};
